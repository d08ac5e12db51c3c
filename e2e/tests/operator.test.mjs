// Test mode, the console and support mode, as people meet them, in both languages.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { check } from "../check.mjs";
import { OPERATOR, api, becomeOperator, company, launch, signIn, startDemo } from "../lib.mjs";
import { furnish } from "../pages.mjs";

let demo, browser;
before(async () => {
  demo = await startDemo();
  browser = await launch();
  await furnish(demo);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});
afterEach(async () => {
  await api(demo, "PATCH", `/api/companies/${await company(demo)}`, { test_mode: false });
});

const WORDS = {
  tr: { on: "Test modunu aç", off: "Canlıya geç", mark: "Test modu açık.", kept: "Test modunda saklandı", open: "Yönetici olarak aç",
    support: "Destek modunda aç", watching: "Destek modu.", leave: "Destek modundan çık", wrong: "Ad ya da parola doğru değil" },
  en: { on: "Turn sandbox mode on", off: "Go live", mark: "Sandbox mode is on.", kept: "Kept in the sandbox", open: "Open as administrator",
    support: "Open in support mode", watching: "Support mode.", leave: "Leave support mode", wrong: "The name or the password is not right" },
};
const mailbox = async () => (await fetch(`${demo.sandbox}/mailbox`)).text();

for (const [locale, words] of Object.entries(WORDS)) {
  test(`test mode keeps messages and marks every page in ${locale}`, async () => {
    const { page, context, complaints } = await signIn(browser, demo, { locale });
    await page.goto(`${demo.url}/app/settings`);
    assert.equal(await page.locator("aside.strip").count(), 0);
    await page.click(`button:has-text("${words.on}")`);
    await page.waitForURL(/done=saved/);
    const to = `kept-${locale}@example.com`;
    const { id } = await api(demo, "POST", "/api/messages", { channel: "email", to, kind: "informational", subject: "Deneme", text: "Bu bir deneme." });
    await page.goto(`${demo.url}/app/deliveries`);
    await page.waitForSelector(`#row-${id} .badge.test`);
    await page.goto(`${demo.url}/app/deliveries/${id}`);
    assert.ok((await page.textContent("ol.tl")).includes(words.kept));
    assert.ok((await page.textContent("main")).includes("Bu bir deneme."), "what would have been sent is shown");
    for (const path of ["/app/overview", "/app/integrations/email", "/app/automations", "/app/audit"]) {
      await page.goto(`${demo.url}${path}`);
      assert.ok((await page.textContent("aside.strip")).includes(words.mark), path);
    }
    await page.goto(`${demo.url}/app/deliveries`);
    await page.selectOption("select[name='reason']", "sandbox");
    await page.waitForURL(/reason=sandbox/);
    assert.equal(await page.locator("ol.rows > li").count(), await page.locator("ol.rows .badge.test").count());
    await page.waitForSelector(`#row-${id} .badge.test`);
    const box = await mailbox();
    assert.ok(box.includes("ayse.demir@example.com") && !box.includes(to), "nothing reached the mailbox since");
    await page.click(`aside.strip a:has-text("${words.off}")`);
    await page.click(`#test-mode button:has-text("${words.off}")`);
    await page.waitForURL(/done=saved/);
    assert.equal(await page.locator("aside.strip").count(), 0);
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`the operator signs in, opens a company and looks at one in support mode in ${locale}`, async () => {
    const { page, context, complaints } = await signIn(browser, demo, { locale });
    await becomeOperator(page, demo);
    await page.click("aside.side button.navlink");
    await page.waitForURL(/sign-in$/);
    await page.fill("[name='name']", OPERATOR.name);
    await page.fill("[name='password']", "wrong-hunter2");
    await page.click("form button");
    await page.waitForSelector("[role=alert]");
    assert.ok((await page.textContent("[role=alert]")).includes(words.wrong));
    assert.ok(!(await page.content()).includes("hunter2"));
    complaints.length = 0; // The browser tells of a 401.
    await page.fill("[name='password']", OPERATOR.password);
    await page.click("form button");
    await page.waitForURL(/console\/companies$/);

    await page.fill("#c-name", `Yeni Şirket ${locale}`);
    await page.click(".filters button.pri");
    await page.waitForSelector("#c-reason");
    await page.click(`button:has-text("${words.open}")`);
    await page.waitForURL(/app\/overview$/);
    assert.ok((await page.textContent("aside.side")).includes(`Yeni Şirket ${locale}`));

    await page.goto(`${demo.url}/console/companies/${await company(demo)}`);
    await page.fill("#c-reason", "Destek kaydı 114");
    await page.click(`button:has-text("${words.support}")`);
    await page.waitForURL(/app\/overview$/);
    assert.ok((await page.textContent("aside.strip")).includes(words.watching));
    await page.goto(`${demo.url}/app/deliveries`);
    assert.ok(!(await page.textContent("main")).includes("ayse.demir@example.com"), "recipients are masked");
    await page.goto(`${demo.url}/app/audit`);
    assert.ok((await page.textContent("main")).includes("Destek kaydı 114"));
    await page.click(`text=${words.leave}`);
    await page.waitForURL(/console\/companies\/co_/);
    await page.goto(`${demo.url}/app/overview`);
    assert.equal(await page.locator("aside.side").count(), 0, "the session is over");
    await context.close();
  });
}

for (const theme of ["light", "dark"]) {
  test(`marked pages are sound, ${theme}`, async () => {
    const { page, context } = await signIn(browser, demo, { locale: "tr", theme });
    await becomeOperator(page, demo);
    await page.goto(`${demo.url}/console/companies/${await company(demo)}`);
    await page.fill("#c-reason", "Destek kaydı 115");
    await page.click(`button:has-text("${WORDS.tr.support}")`);
    await page.waitForURL(/app\/overview$/);
    await api(demo, "PATCH", `/api/companies/${await company(demo)}`, { test_mode: true });
    const wrong = [];
    for (const path of ["/app/overview", "/app/deliveries", "/app/integrations/email", "/app/audit"]) {
      wrong.push(...await check(page, { url: `${demo.url}${path}`, name: path, locale: "tr" }));
    }
    assert.deepEqual(wrong, []);
    await context.close();
  });
}
