// The pages inside a page of the CRM that is another site: its colour and language, its height, consent by a window of
// its own, and the body of a mail in a frame within.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startHost } from "../host.mjs";
import { api, launch, link, startDemo } from "../lib.mjs";

let host, demo, browser;
before(async () => {
  host = await startHost(() => link(demo, { locale: "en", accent: "#b3005e" }).then((url) => `${url}?to=/app/integrations/email`));
  demo = await startDemo({ frameAncestors: host.url });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
  await host?.stop();
});

async function embedded() {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(host.url);
  const frame = page.frameLocator("#santral");
  await frame.locator("h1").waitFor();
  return { context, page, frame };
}

test("the pages show in the host's page, in its language and colour, as high as they are", async () => {
  const { context, page, frame } = await embedded();
  assert.equal(await frame.locator("h1").first().textContent(), "Integrations");
  assert.equal(await frame.locator(".side").count(), 0);
  const accent = await frame.locator("body").evaluate(() => getComputedStyle(document.documentElement).getPropertyValue("--accent"));
  assert.match(accent, /b3005e/);
  await page.waitForFunction(() => window.heights.length > 0);
  const inside = () => frame.locator("body").evaluate((body) => Math.ceil(body.getBoundingClientRect().height));
  await page.waitForFunction(() => window.heights.at(-1) > 400);
  assert.equal(await page.evaluate(() => window.heights.at(-1)), await inside());
  // A shorter page makes the frame shorter again.
  const before = await inside();
  await frame.locator("nav.framebar >> text=Templates").click();
  await frame.locator("h1:has-text('templates')").waitFor();
  await page.waitForFunction((before) => window.heights.at(-1) < before, before);
  await context.close();
});

test("an account is connected by consent from inside the frame, though the window has no session", async () => {
  const { context, page, frame } = await embedded();
  await frame.locator("a[href*='/app/consent/']").first().click();
  const opened = context.waitForEvent("page");
  await frame.locator("a[target=_blank]:has-text('Continue with')").click();
  const popup = await opened;
  await popup.waitForURL((url) => url.origin === new URL(demo.sandbox).origin);
  assert.deepEqual((await context.cookies(demo.url)).filter(({ name, partitionKey }) => name.startsWith("santral-frame") && !partitionKey), [],
    "the session stays in the frame");
  await popup.locator("button[name=decision][value=allow], button:has-text('İzin ver'), button:has-text('Allow')").first().click();
  await popup.waitForURL(/oauth\/google\/callback/);
  await frame.locator("[role=status] .okc").waitFor();
  await frame.locator("[role=status] a").click();
  await frame.locator("h1").waitFor();
  await context.close();
});

test("the body of a mail shows in the frame within the frame, and neither runs nor fetches", async () => {
  const evil = `${host.url.replace("localhost", "127.0.0.1")}/pixel.png`;
  const html = `<h2 style="color:#c00">Teklif</h2><script>parent.postMessage("ran","*");document.title="ran"</script>
    <img src="${evil}" alt="uzak"><a id="out" href="${evil}">dışarı</a><form action="${evil}"><button>gönder</button></form>`;
  const { id } = await api(demo, "POST", "/api/messages", { channel: "email", to: "govde@example.com", kind: "informational", subject: "Gövde", html });
  const { context, page, frame } = await embedded();
  const refused = page.waitForEvent("console", (message) => /frame-src/.test(message.text()));
  await frame.locator("nav.framebar >> text=Deliveries").click();
  await frame.locator(`#row-${id} a`).click();
  const mail = frame.frameLocator("iframe.mailframe");
  await mail.locator("h2").waitFor();
  assert.equal(await mail.locator("h2").evaluate((heading) => getComputedStyle(heading).color), "rgb(204, 0, 0)");
  await mail.locator("button").click();
  await mail.locator("#out").click();
  // The refusal of the way out is the last thing that happens.
  await refused;
  assert.deepEqual(host.asked.filter((path) => path.includes("pixel")), []);
  await context.close();
});

test("another site may not frame the pages", async () => {
  const other = await startHost(() => link(demo));
  const context = await browser.newContext();
  const page = await context.newPage();
  const refused = page.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
  await page.goto(other.url);
  await refused;
  assert.equal(await page.frameLocator("#santral").locator(".framebar").count(), 0);
  await context.close();
  await other.stop();
});
