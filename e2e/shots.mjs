// A picture of every page, in both themes, wide and on a phone: `npm run shots [folder] [filter]`; or the two of the
// README into docs/images: `npm run shots readme`.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, signIn, startDemo } from "./lib.mjs";
import { breakOne, furnish, pages } from "./pages.mjs";

const [folder = "shots", filter = ""] = process.argv.slice(2);
const demo = await startDemo();
const browser = await launch();
try {
  if (folder !== "readme") await mkdir(folder, { recursive: true });
  await furnish(demo);
  const broken = await breakOne(demo);
  const { page, context } = await signIn(browser, demo, {});
  const all = await pages(page, demo, broken);
  if (folder === "readme") {
    await page.setViewportSize({ width: 1280, height: 780 });
    for (const name of ["integrations-email", "editor"]) {
      await page.goto(`${demo.url}${all[name]}`);
      await page.screenshot({ path: fileURLToPath(new URL(`../docs/images/${name}.png`, import.meta.url)) });
    }
  } else for (const [width, theme] of [[1280, "light"], [1280, "dark"], [390, "light"], [390, "dark"]]) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    for (const [name, path] of Object.entries(all).filter(([name]) => name.includes(filter))) {
      await page.goto(`${demo.url}${path}`);
      await page.screenshot({ path: join(folder, `${name}-${width}-${theme}.png`), fullPage: true });
    }
  }
  await context.close();
} finally {
  await browser.close();
  await demo.stop();
}
