// The editor takes nothing away from an automation that it does not show: each preset, and automations made by the API
// with all that there is, are the same after they were opened and published.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { api, launch, signIn, startDemo } from "../lib.mjs";

let demo, browser;
before(async () => {
  demo = await startDemo();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** What an automation is, apart from when it was saved and what is said about it. */
const meant = ({ name, enabled, trigger, when, timing, actions }) => ({ name, enabled, trigger, when, timing, actions });

async function publishUnchanged(page, id) {
  const path = `/api/automations/${id}`;
  const before = await api(demo, "GET", path);
  await page.goto(`${demo.url}/app/automations/${id}`);
  await page.click("button:has-text('Değişiklikleri yayınla')");
  await page.waitForURL(/done=published/);
  assert.deepEqual(meant(await api(demo, "GET", path)), meant(before));
}

test("every preset is the same after it was opened and published", async () => {
  const { page, context } = await signIn(browser, demo, {});
  const { items } = await api(demo, "GET", "/api/automations/presets");
  assert.ok(items.length >= 8);
  for (const { id: preset } of items) {
    const { id } = await api(demo, "POST", "/api/automations", { preset });
    await publishUnchanged(page, id);
  }
  await context.close();
});

const connectionOf = async (provider) =>
  (await api(demo, "GET", "/api/integrations")).items.find((item) => item.provider === provider).connections[0]?.id;

test("an automation of the API with all that there is keeps all of it", async () => {
  const { page, context } = await signIn(browser, demo, {});
  const { id: template } = await api(demo, "POST", "/api/templates", { name: "Ortak", subject: "Konu", text: "Metin" });
  const rich = {
    name: "Her şey", enabled: false, trigger: { type: "meeting.scheduled" }, when: "data.customer.whatsapp_ok and true",
    timing: { relative_to: "data.meeting.starts_at", offset: "-PT90M", reschedule_on: ["meeting.updated"], cancel_on: ["meeting.cancelled", "deal.lost"] },
    actions: [
      {
        operation: "send_email", connection: await connectionOf("smtp"), to: "{{ data.customer.email }}", reply_to: "a@b.example",
        subject: "  Toplantı  ", text: "\n\n  Merhaba {{ data.customer.name }}\n\n", html: "\n<p>Merhaba\n", kind: "commercial",
        recipient_type: "merchant", attachments: [{ name: "a.pdf", url: "https://files.example/a.pdf" }],
        chain: [{ after: "PT10M", operation: "send_sms", to: "{{ data.customer.phone }}", text: "Merhaba", kind: "commercial" }],
      },
      { operation: "send_email", to: "{{ data.customer.email }}", template, kind: "informational" },
      {
        operation: "send_whatsapp", to: "{{ data.customer.phone }}", kind: "informational",
        whatsapp_template: { name: "hatirlatma/1", language: "tr", variables: { 1: "{{ data.customer.name }}", saat: "" } },
      },
      { operation: "post_webhook", to: "crm", text: "x", kind: "informational" },
      {
        operation: "append_rows", kind: "informational",
        rows: { spreadsheet: "Toplantılar", sheet: "2026", columns: [{ name: "Kim", value: "{{ data.customer.name }}" }, { name: "Tutar", value: "1", number: true }] },
      },
    ],
  };
  const { id } = await api(demo, "POST", "/api/automations", rich);
  await publishUnchanged(page, id);
  for (const timing of [{ delay: "P1DT2H", cancel_on: ["deal.lost"] }, { delay: "PT60M" }, { delay: "PT0S" }, { relative_to: "data.meeting.starts_at", offset: "PT0S" }]) {
    await api(demo, "PUT", `/api/automations/${id}`, { ...rich, timing });
    await publishUnchanged(page, id);
  }
  await context.close();
});
