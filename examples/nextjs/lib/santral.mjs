// Calls Santral with the platform key. Only the server imports this.
import "server-only";

async function call(path, init = {}) {
  const answer = await fetch(new URL(path, process.env.SANTRAL_URL), {
    ...init,
    cache: "no-store",
    headers: { authorization: `Bearer ${process.env.SANTRAL_PLATFORM_KEY}`, "content-type": "application/json", ...init.headers },
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`Santral: ${answer.status} ${body.code}`);
  return body;
}

/** Santral's id of a company that is named as `ext:<id in the CRM>`. */
async function companyId(name) {
  const externalId = name.replace(/^ext:/, "");
  let cursor;
  do {
    const page = await call(`/api/companies?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    const found = page.items.find((company) => company.external_id === externalId);
    if (found) return found.id;
    cursor = page.next_cursor;
  } while (cursor);
  throw new Error(`Santral knows no company ${name}`);
}

/**
 * A one-time link to the pages, for one user of the CRM. It works once, within a minute, so it is made when the frame
 * asks for it and never stored.
 */
export async function sessionUrl(user, { locale, accent, returnUrl }) {
  const { id, name, role, email, phone } = user;
  const made = await call(`/api/companies/${await companyId(user.company)}/sessions`, {
    method: "POST",
    body: JSON.stringify({ user: { id, name, role, email, phone }, locale, accent, return_url: returnUrl }),
  });
  return made.url;
}
