// What people do, in a real browser against the real binary and its sandbox.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, launch, link, signIn, startDemo } from "../lib.mjs";
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

const smtp = async () => (await api(demo, "GET", "/api/integrations")).items.find((item) => item.provider === "smtp");

async function fill(page, password) {
  const { settings } = (await smtp()).connections[0];
  await page.fill("[name='label']", "İkinci posta");
  await page.fill("[name='settings.host']", settings.host);
  await page.selectOption("[name='settings.security']", "none");
  await page.fill("[name='settings.port']", settings.port);
  await page.fill("[name='settings.from_address']", "destek@ornekmobilya.example");
  await page.fill("[name='credentials.user']", "demo");
  await page.fill("[name='credentials.password']", password);
  await page.click("text=Kaydet ve test et");
}

for (const js of [true, false]) {
  test(`an account is connected with a wrong, then the right password${js ? "" : ", without a script"}`, async () => {
    const { page, context } = await signIn(browser, demo, { js });
    await page.goto(`${demo.url}/app/integrations/email/smtp/new`);
    await fill(page, "wrong-hunter2");
    await page.waitForSelector("[role=alert]");
    assert.match(await page.textContent("[role=alert]"), /kabul edilmedi/);
    if (js) assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("role")), "alert");
    assert.equal(await page.inputValue("[name='settings.from_address']"), "destek@ornekmobilya.example");
    assert.ok(!(await page.content()).includes("hunter2"));
    await fill(page, "sandbox");
    await page.waitForURL(/connections\/con_/);
    assert.match(await page.textContent("h1"), /İkinci posta/);
    // The page before was an answer to a form: the browser does not keep it.
    const before = await page.goBack().then(() => page.content(), () => "");
    assert.ok(!before.includes("sandbox\""));
    const next = await context.newPage();
    await next.goto(`${demo.url}/app/integrations/email`);
    await next.click("h3 >> text=İkinci posta");
    await next.click("main >> text=Bağlantıyı kes");
    await next.click("main form button:has-text('Bağlantıyı kes')");
    await next.waitForURL(/done=disconnected/);
    assert.equal((await smtp()).connections.length, 1);
    await context.close();
  });
}

test("an account is tested in place", async () => {
  const { page, context, complaints } = await signIn(browser, demo, {});
  await page.goto(`${demo.url}/app/integrations/email`);
  await page.click("button:has-text('Test et')");
  await page.waitForSelector("text=Bağlantı çalışıyor");
  assert.match(page.url(), /integrations\/email$/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a delivery appears, fails, is retried and shows it without a reload", async () => {
  const { page, context, complaints } = await signIn(browser, demo, {});
  await page.goto(`${demo.url}/app/deliveries`);
  const before = await page.locator("li.row").count();
  const sendAt = new Date(Date.now() + 3600_000).toISOString();
  const { id } = await api(demo, "POST", "/api/messages", { channel: "email", to: "canli@example.com", kind: "informational", subject: "Canlı", text: "x", send_at: sendAt });
  await page.waitForSelector("text=1 yeni gönderim göster");
  assert.equal(await page.locator("li.row").count(), before, "rows stay where they are");
  await page.click("text=1 yeni gönderim göster");
  await page.waitForSelector(`#row-${id} >> text=Zamanı bekleniyor`);
  await api(demo, "POST", `/api/deliveries/${id}/cancel`);
  await page.waitForSelector(`#row-${id} >> text=İptal edildi`);
  const other = await context.newPage();
  await other.goto(`${demo.url}/app/deliveries/${id}`);
  await other.click("text=Yeniden dene");
  await other.waitForURL(/done=retried/);
  await page.bringToFront();
  await page.waitForSelector(`#row-${id} >> text=Gönderildi`);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("an automation is written with a preview that is what arrives", async () => {
  const { page, context, complaints } = await signIn(browser, demo, {});
  await page.goto(`${demo.url}/app/automations`);
  await page.selectOption("[name=trigger]", "deal.created");
  await page.click("button:has-text('Oluştur')");
  await page.waitForURL(/automations\/aut_/);
  await page.fill("[name='actions.0.subject']", "Konu {{ data.deal.title }}");
  const subject = page.locator("#preview .subj");
  await page.waitForFunction(() => document.querySelector("#preview .subj")?.textContent.startsWith("Konu "));
  const shown = await subject.textContent();
  await page.focus("button:has-text('Kendime test gönder')");
  await page.keyboard.press("Enter");
  await page.waitForURL(/done=sent/);
  const sent = await api(demo, "GET", "/api/deliveries?to=selin@ornekmobilya.example");
  const detail = await api(demo, "GET", `/api/deliveries/${sent.items[0].id}`);
  assert.equal(detail.message.subject, shown.trim());
  await page.fill("[name='actions.0.subject']", "{{ bozuk");
  await page.click("button:has-text('Değişiklikleri yayınla')");
  await page.waitForSelector(".node.wrong");
  assert.match(await page.textContent(".alert.err"), /sorunu giderin/);
  assert.deepEqual(complaints.filter((text) => !text.includes("422")), []);
  await context.close();
});

test("no other site may frame the pages unless the operator says so", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const refused = page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
  await page.setContent(`<iframe src="${await link(demo, {})}"></iframe>`);
  await refused;
  await context.close();
});

test("a member has no way to change anything, and another language is a click away", async () => {
  const { page, context } = await signIn(browser, demo, { role: "member" });
  await page.goto(`${demo.url}/app/integrations/email`);
  assert.equal(await page.locator("main button:visible").count(), 0);
  await page.click("[aria-label=English]");
  await page.waitForSelector("h1:has-text('Integrations')");
  assert.equal(await page.getAttribute("html", "lang"), "en");
  await context.close();
});

test("a keyboard alone reaches content and menu on a phone", async () => {
  const { page, context } = await signIn(browser, demo, { width: 390, height: 844 });
  await page.goto(`${demo.url}/app/overview`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#nav:popover-open");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector("#nav").matches(":popover-open"));
  await context.close();
});
