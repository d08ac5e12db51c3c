// The sandbox's phones: what arrived is readable whole, what becomes of it reaches Santral, and an answer can be written.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { check } from "../check.mjs";
import { api, launch, startDemo } from "../lib.mjs";

const LONG = "Sayın Ayşe Demir, S-1024 numaralı siparişiniz hazırlandı ve bugün 14.00–18.00 arasında kapınızda olacak. "
  + "Ayrıntılar: https://ornekmobilya.example/siparis/S-1024?takip=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\nÖrnek Mobilya";

let demo, browser;

const sms = (to, text) => api(demo, "POST", "/api/messages", { channel: "sms", to, text, kind: "informational" });
const taken = async (count) => {
  const answer = await fetch(`${demo.sandbox}/phones.json?wait_for=${count}&wait_ms=20000`);
  const { total } = await answer.json();
  assert.equal(total, count);
};

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
  return { context, page, complaints };
}

before(async () => {
  demo = await startDemo();
  browser = await launch();
  const { items } = await api(demo, "GET", "/api/integrations");
  const has = (provider) => items.find((item) => item.provider === provider).connections.length > 0;
  const accounts = [
    { provider: "netgsm", settings: { msgheader: "SANTRAL" }, credentials: { usercode: "8500000000", password: "sandbox" } },
    { provider: "whatsapp", settings: { phone_number_id: "106540352242922", business_account_id: "102290129340398" },
      credentials: { access_token: "sandbox-token", app_secret: "sandbox-app-secret", verify_token: "dogrula" } },
  ].filter(({ provider }) => !has(provider));
  if (accounts.length) await api(demo, "PUT", "/api/integrations", { integrations: accounts });
  await sms("+905321234567", LONG);
  await taken(1);
  await sms("+905321230002", "Kodunuz 4711");
  await taken(2);
  await api(demo, "POST", "/api/messages", { channel: "whatsapp", to: "+905331234567", kind: "informational",
    whatsapp_template: { name: "siparis_hazir", language: "tr", variables: { 1: "Ayşe", 2: "S-1024" } } });
  await taken(3);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

for (const locale of ["tr", "en"]) {
  for (const colorScheme of ["light", "dark"]) {
    test(`the phones are sound in ${locale}, ${colorScheme}`, async () => {
      const { page, context, complaints } = await open({ colorScheme });
      const wrong = [];
      for (const [name, path] of [["phones", "/phones?live=0"], ["phone", "/phones/1?unheard=1"], ["whatsapp", "/phones/3?"]]) {
        wrong.push(...await check(page, { url: `${demo.sandbox}${path}&lang=${locale}`, name, locale }));
        if (process.env.SHOTS) {
          await mkdir(process.env.SHOTS, { recursive: true });
          for (const width of [1280, 390]) {
            await page.setViewportSize({ width, height: 900 });
            await page.screenshot({ path: `${process.env.SHOTS}/${name}-${locale}-${colorScheme}-${width}.png`, fullPage: true });
          }
        }
      }
      await context.close();
      assert.deepEqual([...wrong, ...complaints], []);
    });
  }
}

test("a message is read whole, answered in peace, and its end is told", async () => {
  const { page, context } = await open();
  await page.goto(`${demo.sandbox}/phones?live=0`);
  const text = page.locator(".bubble", { hasText: "S-1024 numaralı siparişiniz hazırlandı" });
  assert.ok((await text.innerText()).endsWith("Örnek Mobilya"));
  assert.ok(await text.evaluate((bubble) => bubble.scrollWidth <= bubble.clientWidth + 1), "nothing of it is cut off");
  await page.locator(".msg", { hasText: "+905331234567" }).getByRole("link", { name: /^Yanıtla/ }).click();
  assert.equal(await page.locator("meta[http-equiv=refresh]").count(), 0);
  await page.getByLabel("Bu telefondan yanıt").fill("Teşekkürler");
  await page.getByRole("button", { name: "Yanıtla" }).click();
  await page.locator(".bubble.own", { hasText: "Teşekkürler" }).waitFor();
  await page.getByRole("button", { name: /^Okundu olsun/ }).click();
  await page.locator(".badge.ok", { hasText: "Okundu" }).waitFor();
  await context.close();
});
