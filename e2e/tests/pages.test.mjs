// Every page in both languages, both themes and three widths: no violation of WCAG 2.2 AA, no complaint of the browser,
// no sideways scroll, no inline style, within its weight.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { check } from "../check.mjs";
import { launch, signIn, startDemo } from "../lib.mjs";
import { breakOne, furnish, pages } from "../pages.mjs";

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
        wrong.push(...await check(page, { url: `${demo.url}${path}`, name, locale, expected: name === "missing" ? 404 : 200 }));
        // A page that does not exist says so in the console too.
        wrong.push(...complaints.filter((text) => !(name === "missing" && text.includes("404"))).map((text) => `${name}: ${text}`));
      }
      await context.close();
      assert.deepEqual(wrong, []);
    });
  }
}
