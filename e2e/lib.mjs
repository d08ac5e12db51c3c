// The real binary beside its sandbox, and a browser in front of it.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const BINARY = process.env.SANTRAL_BINARY ?? new URL("../target/debug/santral", import.meta.url).pathname;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const freePort = () => new Promise((resolve, reject) => {
  const server = createServer().once("error", reject).listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

/** What the operator signs in with. */
export const OPERATOR = { name: "Ayşe Yılmaz", password: "doğru at pil zımba" };

/** The demo: server, sandbox, a company with a mailbox. `{url, sandbox, key, consoleLink(), stop()}`. */
export async function startDemo({ frameAncestors } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "santral-e2e-"));
  const [port, sandboxPort] = [await freePort(), await freePort()];
  const child = spawn(BINARY, ["demo", "--listen", `127.0.0.1:${port}`, "--sandbox-listen", `127.0.0.1:${sandboxPort}`,
    "--data-dir", join(folder, "data"), ...(frameAncestors ? ["--frame-ancestors", frameAncestors] : [])],
    { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const key = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = line.match(/platform key\s+(\S+)/);
      if (found) resolve(found[1]);
    });
    ended.then((code) => reject(new Error(`the demo ended with ${code}`)));
  });
  const url = `http://127.0.0.1:${port}`;
  // Made beside the server, as an operator whose password is lost would.
  const consoleLink = async () => {
    const { stdout } = await promisify(execFile)(BINARY, ["operator", "reset-link", "--data-dir", join(folder, "data")]);
    return `${url}${new URL(stdout.trim()).pathname}`;
  };
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  return { url, consoleLink, sandbox: `http://127.0.0.1:${sandboxPort}`, key, stop };
}

/** Calls the API with the platform key, for the demo's company. */
export async function api(demo, method, path, body) {
  const answer = await fetch(`${demo.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${demo.key}`,
      ...(path.startsWith("/api/companies") ? {} : { "santral-company": "ext:demo" }),
      "content-type": path === "/api/events" ? "application/cloudevents+json" : "application/json",
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** The id of the demo's company. */
export async function company(demo) {
  return (await api(demo, "GET", "/api/companies")).items.find((item) => item.external_id === "demo").id;
}

/** A one-time link for a user of the CRM. */
export async function link(demo, { role = "admin", locale = "tr", name = "Selin Kaya", accent } = {}) {
  const user = { id: role, name, role, email: "selin@ornekmobilya.example", phone: "+905321234567" };
  const made = await api(demo, "POST", `/api/companies/${await company(demo)}/sessions`, { user, locale, accent });
  return made.url;
}

/** Signs a page in to the console, making its reader the operator. */
export async function becomeOperator(page, demo) {
  await page.goto(await demo.consoleLink());
  await page.fill("[name='name']", OPERATOR.name);
  await page.fill("[name='password']", OPERATOR.password);
  await page.fill("[name='repeated']", OPERATOR.password);
  await page.click("form button");
  await page.waitForURL(/console\/companies$/);
}

export function launch() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}

/** A browser context signed in with a role; collects what the browser complains of. */
export async function signIn(browser, demo, { role, locale, theme = "light", width = 1280, height = 900, js = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce", javaScriptEnabled: js,
    locale: locale === "en" ? "en-GB" : "tr-TR",
  });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(demo.url) && !request.url().startsWith("data:")) complaints.push(`asked ${request.url()}`);
  });
  await page.goto(await link(demo, { role, locale }));
  return { context, page, complaints };
}
