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

test("an action that adds a row is filled in by its form, and the row it adds is the one that was meant", async () => {
  const { page, context, complaints } = await signIn(browser, demo, {});
  await page.goto(`${demo.url}/api/integrations/oauth/google/authorize?services=google_sheets&return_url=/app/integrations/google`);
  await page.click("button[name=decision][value=allow]");
  await page.waitForURL(/app\/integrations\/google/);
  const { id } = await api(demo, "POST", "/api/automations", {
    name: "Tahsilat tablosu", enabled: false, trigger: { type: "invoice.paid" },
    actions: [{ operation: "send_email", to: "muhasebe@example.com", subject: "x", text: "x", kind: "informational" }],
  });
  await page.goto(`${demo.url}/app/automations/${id}`);
  await page.click("button[value='add-append_rows']");
  const field = (name) => `[name='actions.1.rows.${name}']`;
  await page.waitForSelector(field("spreadsheet"));
  // Published before it is filled in, it says what is missing and keeps what there is.
  await page.click("button:has-text('Değişiklikleri yayınla')");
  await page.waitForSelector(".alert.err a.link");
  // The consent page is another site, and the answer to what was missing is a 422.
  complaints.length = 0;
  await page.fill(field("spreadsheet"), "Tahsilatlar");
  await page.fill(field("sheet"), "2026");
  await page.fill(field("0.name"), "Fatura");
  await page.fill(field("0.value"), "{{ data.invoice.number }}");
  await page.fill(field("2.name"), "Tutar");
  await page.fill(field("2.value"), "{{ data.invoice.amount }}");
  await page.check(field("2.number"));
  await page.click("button:has-text('Taslağı kaydet')");
  await page.waitForFunction(() => document.querySelector("[name='actions.1.rows.1.name']")?.value === "Tutar");
  assert.equal(await page.inputValue(field("spreadsheet")), "Tahsilatlar");
  assert.equal(await page.isChecked(field("1.number")), true, "an empty line is left out");
  assert.equal(await page.isChecked(field("0.number")), false);
  assert.equal(await page.locator("[name^='actions.1.rows.'][name$='.name']").count(), 5, "there is room for more columns");
  await page.locator("button[value='remove-0']").click();
  await page.waitForSelector("[name='actions.0.rows.spreadsheet']");
  await page.click("button:has-text('Değişiklikleri yayınla')");
  await page.waitForURL(/done=published/);
  const saved = await api(demo, "GET", `/api/automations/${id}`);
  assert.deepEqual(saved.actions.map(({ operation, rows }) => ({ operation, rows })), [{ operation: "append_rows", rows: {
    spreadsheet: "Tahsilatlar", sheet: "2026",
    columns: [{ name: "Fatura", value: "{{ data.invoice.number }}" }, { name: "Tutar", value: "{{ data.invoice.amount }}", number: true }],
  } }]);
  await page.click("button:has-text('Etkinleştir')");
  await page.waitForURL(/automations/);
  const { deliveries: [delivery] } = await api(demo, "POST", "/api/events", {
    specversion: "1.0", id: "odeme-1", source: "crm", type: "invoice.paid",
    data: { invoice: { number: "=FT-7", amount: 1250.5 } },
  });
  await page.goto(`${demo.url}/app/deliveries`);
  await page.waitForSelector(`#row-${delivery} :text("Gönderildi")`);
  const [{ name, sheets }] = await (await fetch(`${demo.sandbox}/sheets.json`)).json();
  assert.equal(name, "Tahsilatlar");
  const [titles, row] = sheets.find(({ title }) => title === "2026").cells;
  assert.deepEqual([titles.slice(0, 2), row], [["Fatura", "Tutar"], ["=FT-7", 1250.5, delivery]]);
  assert.deepEqual(complaints, []);
  await context.close();
});
