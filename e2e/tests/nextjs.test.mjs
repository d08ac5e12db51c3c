// examples/nextjs as a newcomer starts it: signed in to the CRM, the pages show inside the CRM's own page.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, launch, startDemo } from "../lib.mjs";

const SAMPLE = fileURLToPath(new URL("../../examples/nextjs", import.meta.url));
let demo, browser, crm, url;

before(async () => {
  const port = await freePort();
  url = `http://localhost:${port}`;
  demo = await startDemo({ frameAncestors: url });
  browser = await launch();
  // The server that developers use: it compiles the one page that is asked for, where a whole build takes minutes.
  crm = spawn(process.execPath, ["node_modules/next/dist/bin/next", "dev", "--port", String(port)], {
    cwd: SAMPLE,
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env, NEXT_TELEMETRY_DISABLED: "1", SANTRAL_URL: demo.url, SANTRAL_PLATFORM_KEY: demo.key,
      CRM_SECRET: "only-for-this-test-0123456789abcdef",
    },
  });
  await new Promise((resolve, reject) => {
    crm.stdout.on("data", (text) => { if (/Ready in/.test(text)) resolve(); });
    crm.once("exit", (code) => reject(new Error(`next ended with ${code}`)));
  });
});
after(async () => {
  await browser?.close();
  if (crm && crm.exitCode === null) {
    crm.kill("SIGTERM");
    await once(crm, "exit");
  }
  await demo?.stop();
});

test("whoever is signed in to the CRM sees the Integration Center inside it, as high as it is", async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  const stranger = await fetch(`${url}/api/santral/session`, { redirect: "manual" });
  assert.equal(stranger.status, 401);
  await page.goto(url);
  await page.click("text=Selin Kaya olarak gir");
  const frame = page.frameLocator("iframe[title='Entegrasyon Merkezi']");
  await frame.locator("h1:has-text('Entegrasyonlar')").waitFor();
  await page.waitForFunction(() => {
    const { height } = document.querySelector("iframe").style;
    return height !== "" && height !== "600px";
  });
  const height = await page.evaluate(() => document.querySelector("iframe").style.height);
  const inside = await frame.locator("body").evaluate((body) => Math.ceil(body.getBoundingClientRect().height));
  assert.equal(height, `${inside}px`);
  assert.ok(!(await page.content()).includes(demo.key), "the platform key stays on the server");
  await context.close();
});
