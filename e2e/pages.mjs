// What there is to look at, and a company with a little life in it.
import { api, becomeOperator, company } from "./lib.mjs";

const customer = (name, email) => ({ name, email, phone: "+905321234567" });

/** Events with good and bad ends, a broken connection, a webhook, a template. */
export async function furnish(demo) {
  const event = (id, type, data) => api(demo, "POST", "/api/events", {
    specversion: "1.0", id, source: "crm", type, subject: `deal/${id}`, data,
  });
  const people = [["Ayşe Demir", "ayse.demir@example.com"], ["Mert Aydın", "mert.aydin@example.com"],
    ["İlker Öztürk", "ilker.ozturk@example.com"], ["Gökçe Şahin", "gokce.sahin@example.com"]];
  for (const [index, [name, email]] of people.entries()) {
    await event(`deal-${index}`, "deal.created", {
      customer: customer(name, email), deal: { number: `F-${index}`, title: "Ofis mobilyası", amount: 12500, currency: "TRY" },
    });
  }
  await event("deal-bad", "deal.created", { customer: customer("Adresi Eksik", "adres-degil"), deal: { number: "F-9", title: "Sandalye", amount: 900, currency: "TRY" } });
  await api(demo, "POST", "/api/messages", {
    channel: "email", to: "yarin@example.com", kind: "informational", subject: "Yarınki toplantı", text: "Merhaba, yarın görüşmek üzere.",
    send_at: new Date(Date.now() + 20 * 3600_000).toISOString(),
  });
  await api(demo, "POST", "/api/messages", {
    channel: "email", to: "ayse.demir@example.com", kind: "informational", subject: "Teklifiniz hazır",
    text: "Sayın Ayşe Demir, teklifiniz hazır.",
    html: "<h2 style=\"color:#0a7d4f\">Teklifiniz hazır</h2><p>Sayın <b>Ayşe Demir</b>, teklifiniz hazır.</p>",
  });
  await api(demo, "POST", "/api/templates", { name: "Teşekkür", subject: "Teşekkür ederiz", text: "Sayın {{ data.customer.name }}, teşekkür ederiz." });
  await api(demo, "PUT", "/api/integrations", { integrations: [{
    provider: "webhook", label: "CRM", settings: { url: `${demo.sandbox}/webhook/crm` },
    credentials: { secret: "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" },
  }] });
}

/** A second account that the vendor no longer lets in. */
export async function breakOne(demo) {
  const accounts = (list) => fetch(`${demo.sandbox}/control/smtp/accounts`, {
    method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(list),
  });
  const own = { user: "demo", password: "sandbox" };
  await accounts([own, { user: "yedek", password: "yedek" }]);
  const all = await api(demo, "GET", "/api/integrations");
  const { settings } = all.items.find((item) => item.provider === "smtp").connections[0];
  await api(demo, "PUT", "/api/integrations", { integrations: [{ provider: "smtp", label: "Yedek posta", settings, credentials: { user: "yedek", password: "yedek" } }] });
  await accounts([own]);
  const now = await api(demo, "GET", "/api/integrations");
  const broken = now.items.find((item) => item.provider === "smtp").connections.find((one) => one.label === "Yedek posta");
  await api(demo, "POST", `/api/integrations/test/smtp?connection=${broken.id}`);
  return broken.id;
}

/** Name and address of every page, as a signed-in browser finds them. */
export async function pages(page, demo, broken) {
  const first = async (list, pattern) => {
    await page.goto(`${demo.url}${list}`);
    const links = await page.$$eval("a[href]", (all) => all.map((a) => a.getAttribute("href")));
    return links.find((href) => pattern.test(href));
  };
  await becomeOperator(page, demo);
  const all = await api(demo, "GET", "/api/integrations");
  const netgsm = all.items.find((item) => item.provider === "netgsm").connections[0].id;
  const found = {
    "console-companies": "/console/companies",
    "console-none": "/console/companies?q=nobody",
    "console-company": `/console/companies/${await company(demo)}`,
    "console-audit": "/console/audit",
    "console-sign-in": "/console/sign-in",
    "console-set-up": new URL(await demo.consoleLink()).pathname,
    "integrations-email": "/app/integrations/email",
    "integrations-webhook": "/app/integrations/webhook",
    connect: "/app/integrations/email/smtp/new?preset=sendgrid",
    "connect-consent": "/app/integrations/email/gmail/new",
    consent: "/app/consent/gmail",
    connection: await first("/app/integrations/email", /^\/app\/connections\/con_\w+$/),
    "connection-broken": `/app/connections/${broken}`,
    "connection-sms": `/app/connections/${netgsm}`,
    registration: `/app/connections/${netgsm}/registration`,
    disconnect: `/app/connections/${broken}/disconnect`,
    deliveries: "/app/deliveries",
    "deliveries-none": "/app/deliveries?q=nobody@example.com",
    "delivery-failed": await first("/app/deliveries?state=failed", /^\/app\/deliveries\/dlv_\w+$/),
    "delivery-sent": await first("/app/deliveries?state=sent", /^\/app\/deliveries\/dlv_\w+$/),
    "delivery-scheduled": await first("/app/deliveries?state=scheduled", /^\/app\/deliveries\/dlv_\w+$/),
    "deliveries-retry": "/app/deliveries/retry?state=failed",
    automations: "/app/automations",
    editor: await first("/app/automations", /^\/app\/automations\/aut_\w+$/),
    overview: "/app/overview",
    welcome: "/app/welcome",
    templates: "/app/templates",
    template: await first("/app/templates", /^\/app\/templates\/tpl_\w+$/),
    audit: "/app/audit",
    settings: "/app/settings",
    "stop-channel": "/app/channels/email/stop",
    "resume-channel": "/app/channels/email/resume",
    keys: "/app/developer/keys",
    webhooks: "/app/developer/webhooks",
    events: "/app/developer/events",
    event: await first("/app/developer/events", /^\/app\/developer\/events\/evt_\w+$/),
    missing: "/app/nowhere",
  };
  return Object.fromEntries(Object.entries(found).filter(([, path]) => path));
}
