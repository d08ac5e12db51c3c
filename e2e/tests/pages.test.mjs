// Every page in both languages, both themes and three widths: no violation of WCAG 2.2 AA, no complaint of the browser,
// no sideways scroll, no inline style, within its weight.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, signIn, startDemo } from "../lib.mjs";
import { breakOne, furnish, pages } from "../pages.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
let demo, browser, broken;

before(async () => {
  demo = await startDemo();
  browser = await launch();
  await furnish(demo);
  broken = await breakOne(demo);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

for (const locale of ["tr", "en"]) {
  for (const theme of ["light", "dark"]) {
    test(`every page is sound in ${locale}, ${theme}`, async () => {
      const { page, context, complaints } = await signIn(browser, demo, { locale, theme });
      const all = await pages(page, demo, broken);
      assert.ok(Object.keys(all).length >= 20, Object.keys(all).join());
      const wrong = [];
      for (const [name, path] of Object.entries(all)) {
        complaints.length = 0;
        const answer = await page.goto(`${demo.url}${path}`);
        const html = await answer.text();
        if (html.length > 60_000) wrong.push(`${name}: ${html.length} bytes`);
        const expected = name === "missing" ? 404 : 200;
        if (answer.status() !== expected) wrong.push(`${name}: ${answer.status()}`);
        if (await page.getAttribute("html", "lang") !== locale) wrong.push(`${name}: lang`);
        if (!(await page.title()).trim()) wrong.push(`${name}: no title`);
        await page.evaluate(axe);
        for (const width of [1280, 390, 320]) {
          await page.setViewportSize({ width, height: 900 });
          const { violations } = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), TAGS);
          for (const { id, nodes } of violations) wrong.push(`${name} ${width}: ${id} ${nodes.slice(0, 2).map((n) => n.html.slice(0, 140)).join(" | ")}`);
          const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          if (sideways > 0) wrong.push(`${name} ${width}: ${sideways} px sideways`);
        }
        const styled = await page.$$eval("[style]", (all) => all.length);
        if (styled) wrong.push(`${name}: ${styled} inline styles`);
        // A page that does not exist says so in the console too.
        wrong.push(...complaints.filter((text) => !(name === "missing" && text.includes("404"))).map((text) => `${name}: ${text}`));
      }
      await context.close();
      assert.deepEqual(wrong, []);
    });
  }
}
