// Connecting by consent, as it goes wrong: every page says what happened and how to go on, nothing is stored before all is
// well, and a connection that is connected again stays the same.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { look } from "../check.mjs";
import { startHost } from "../host.mjs";
import { api, launch, link, signIn, startDemo } from "../lib.mjs";

const SALES = "satis@ornekmobilya.example";
const OTHER = "ayse@ornekmobilya.example";

let browser, demo;
before(async () => { browser = await launch(); });
after(() => browser?.close());
beforeEach(async () => { demo = await startDemo(); });
afterEach(() => demo?.stop());

const gmail = async () => (await api(demo, "GET", "/api/integrations")).items.find((item) => item.provider === "gmail").connections;

/** What the person does on the sandbox's consent page. */
async function decide(page, { allow = true, account, untick } = {}) {
  await page.waitForURL((url) => url.origin === new URL(demo.sandbox).origin);
  if (account) await page.check(`input[name=account][value="${account}"]`);
  if (untick) await page.uncheck(`input[name=scope][value*="${untick}"]`);
  await page.click(`button[name=decision][value=${allow ? "allow" : "deny"}]`);
}

/** Presses Gmail's button among the services. */
async function begin(page) {
  await page.goto(`${demo.url}/app/integrations/email`);
  await page.click("main a[href*='services=gmail']");
}

/** What the page of the way back says: its heading, and that it is sound. */
async function refusal(page, locale) {
  await page.waitForURL(/oauth\/google\/callback/);
  assert.deepEqual(await look(page, { name: await page.title(), locale }), []);
  assert.deepEqual(await gmail().then((all) => all.filter((one) => one.status === "active")), [], "nothing is stored");
  return { title: await page.textContent("h1"), text: await page.textContent("main") };
}

/** The page that waits for a window, and the window. */
async function inWindow(context, page) {
  const opened = context.waitForEvent("page");
  await page.click("#consent-open a[target=_blank]");
  const popup = await opened;
  await popup.waitForURL((url) => url.origin === new URL(demo.sandbox).origin);
  return popup;
}

for (const [locale, no, missing] of [
  ["tr", "İzin verilmedi", "Gerekli izinlerden biri verilmedi"],
  ["en", "Permission was not given", "A permission that is needed was not given"],
]) {
  test(`whoever says no, or unticks a permission, is told what helps and goes on from there, in ${locale}`, async () => {
    const { page, context } = await signIn(browser, demo, { locale });
    await begin(page);
    await decide(page, { allow: false });
    assert.equal((await refusal(page, locale)).title, no);
    await page.click("main a");
    await page.waitForURL(/app\/integrations\/email\?oauth=consent_denied/);
    await page.click("main a[href*='services=gmail']");
    await decide(page, { untick: "gmail.send" });
    const { title, text } = await refusal(page, locale);
    assert.equal(title, missing);
    assert.match(text, /Gmail \(https:\/\/www\.googleapis\.com\/auth\/gmail\.send\)/);
    await page.click("main a");
    await page.click("main a[href*='services=gmail']");
    await decide(page);
    await page.waitForURL(/oauth=connected/);
    assert.deepEqual((await gmail()).map(({ status, account }) => [status, account]), [["active", SALES]]);
    await context.close();
  });
}

test("a connection is connected again by its own account only, keeps its id, and what waited leaves", async () => {
  const { page, context } = await signIn(browser, demo, { locale: "tr" });
  await begin(page);
  await decide(page);
  await page.waitForURL(/oauth=connected/);
  const [{ id }] = await gmail();
  await fetch(`${demo.sandbox}/control/oauth`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ revoke: SALES }),
  });
  assert.equal((await api(demo, "POST", "/api/integrations/test/gmail", {})).ok, false);
  const held = await api(demo, "POST", "/api/messages", { channel: "email", connection: id, to: "bekleyen@example.com", kind: "informational", subject: "Bekleyen", text: "x" });
  await page.goto(`${demo.url}/app/deliveries`);
  const row = page.locator(`#row-${held.id}`);
  await row.getByText("Zamanı bekleniyor").waitFor();
  assert.equal((await api(demo, "GET", `/api/deliveries/${held.id}`)).reason, "needs_reauth");

  await page.goto(`${demo.url}/app/connections/${id}`);
  assert.deepEqual(await look(page, { name: "broken", locale: "tr" }), []);
  await page.click("main a:has-text('Yeniden bağlan')");
  await page.waitForURL((url) => url.origin === new URL(demo.sandbox).origin);
  assert.equal(await page.inputValue("input[name=account]:checked"), SALES, "the account is suggested");
  await decide(page, { account: OTHER });
  const { title, text } = await refusal(page, "tr");
  assert.equal(title, "Başka bir hesap seçildi");
  assert.ok(text.includes(SALES), text);
  assert.deepEqual((await gmail()).map((one) => [one.id, one.status, one.account]), [[id, "error", SALES]]);

  await page.click("main a");
  await page.waitForURL(new RegExp(`app/connections/${id}\\?oauth=other_account`));
  await page.click("main a:has-text('Yeniden bağlan')");
  await decide(page);
  await page.waitForURL(new RegExp(`app/connections/${id}\\?oauth=connected`));
  assert.deepEqual(await look(page, { name: "mended", locale: "tr" }), []);
  assert.deepEqual((await gmail()).map((one) => [one.id, one.status]), [[id, "active"]]);
  await page.goto(`${demo.url}/app/deliveries`);
  await row.getByText("Gönderildi").waitFor();
  await context.close();
});

test("a page that opened a window learns that nothing came of it, and begins anew", async () => {
  const { page, context, complaints } = await signIn(browser, demo, { locale: "tr" });
  await page.goto(`${demo.url}/app/consent/gmail`);
  const popup = await inWindow(context, page);
  assert.equal(await popup.evaluate(() => window.opener), null, "the window knows nothing of the page");
  await decide(popup, { allow: false });
  assert.equal((await refusal(popup, "tr")).title, "İzin verilmedi");
  await popup.close();
  const told = page.locator("[role=status] [role=alert]");
  await told.getByText("İzin verilmedi").waitFor();
  assert.equal(await page.locator("#consent-open a").count(), 0, "the link that was used is gone");
  assert.deepEqual(await look(page, { name: "told", locale: "tr" }), []);
  await told.getByText("Baştan başla").click();
  const again = await inWindow(context, page);
  await decide(again);
  await page.locator("[role=status] .okc").waitFor();
  assert.equal((await gmail()).length, 1);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a window that is closed before anything was said leaves a page that says how to go on", async () => {
  const { page, context } = await signIn(browser, demo, { locale: "tr" });
  await page.goto(`${demo.url}/app/consent/gmail`);
  await (await inWindow(context, page)).close();
  await page.click("summary:has-text('Pencere açılmadı ya da kapandı mı?')");
  await page.getByText("hiçbir şey kaydedilmedi").waitFor();
  assert.deepEqual(await look(page, { name: "closed", locale: "tr" }), []);
  assert.deepEqual(await gmail(), []);
  await page.click("a:has-text('Baştan başla')");
  await decide(await inWindow(context, page));
  await page.locator("[role=status] .okc").waitFor();
  assert.equal((await gmail()).length, 1);
  await context.close();
});

test("where no window may open, the address is there to be opened by hand", async () => {
  const frame = () => link(demo, { locale: "tr" }).then((url) => `${url}?to=/app/consent/gmail`);
  const host = await startHost(frame, { sandbox: "allow-scripts allow-forms allow-same-origin" });
  await demo.stop();
  demo = await startDemo({ frameAncestors: host.url });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "tr-TR" });
  const page = await context.newPage();
  await page.goto(host.url);
  const inside = page.frameLocator("#santral");
  const blocked = page.waitForEvent("console", (message) => /allow-popups/.test(message.text()));
  await inside.locator("#consent-open a[target=_blank]").click();
  await blocked;
  assert.equal(context.pages().length, 1, "no window opened");
  await inside.locator("summary:has-text('Pencere açılmadı ya da kapandı mı?')").click();
  const address = await inside.locator(".copybox code").textContent();
  const byHand = await context.newPage();
  await byHand.goto(address);
  await decide(byHand);
  await byHand.waitForURL(/oauth\/google\/callback/);
  assert.deepEqual(await look(byHand, { name: "connected", locale: "tr" }), []);
  await inside.locator("[role=status] .okc").waitFor();
  assert.equal((await gmail()).length, 1);
  await context.close();
  await host.stop();
});
