// What holds for every page, whoever sees it.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What is wrong with a page that is opened: its weight, and all of `look`. */
export async function check(page, { url, name, locale, expected = 200 }) {
  const wrong = [];
  const answer = await page.goto(url);
  const html = await answer.text();
  if (html.length > 60_000) wrong.push(`${name}: ${html.length} bytes`);
  if (answer.status() !== expected) wrong.push(`${name}: ${answer.status()}`);
  return [...wrong, ...await look(page, { name, locale })];
}

/** What is wrong with what a page shows, at three widths: accessibility, sideways scroll, inline style, language. */
export async function look(page, { name, locale }) {
  const wrong = [];
  if (await page.getAttribute("html", "lang") !== locale) wrong.push(`${name}: lang`);
  if (!(await page.title()).trim()) wrong.push(`${name}: no title`);
  await page.evaluate(axe);
  for (const width of [1280, 390, 320]) {
    await page.setViewportSize({ width, height: 900 });
    const { violations } = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), TAGS);
    for (const { id, nodes } of violations) wrong.push(`${name} ${width}: ${id} ${nodes.slice(0, 2).map((n) => n.html.slice(0, 140)).join(" | ")}`);
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (sideways > 0) wrong.push(`${name} ${width}: ${sideways} px sideways`);
    const foot = await page.evaluate(() => {
      const end = (part) => document.querySelector(`.side ${part}`)?.getBoundingClientRect().right ?? 0;
      return end(".foot") - end("nav");
    });
    if (foot > 0.5) wrong.push(`${name} ${width}: the foot of the side bar is ${foot} px wider than the rest`);
  }
  const styled = await page.$$eval("[style]", (all) => all.length);
  if (styled) wrong.push(`${name}: ${styled} inline styles`);
  return wrong;
}
