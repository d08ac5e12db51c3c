// Stands for your CRM's own sign-in: a signed cookie that names a user. Replace `currentUser` by yours.
import { createHmac, timingSafeEqual } from "node:crypto";
import { cookies } from "next/headers";

const COOKIE = "crm-session";

/** Users of the CRM, with the company that each belongs to as Santral knows it (`ext:` and the CRM's own id). */
const USERS = {
  selin: { id: "7", name: "Selin Kaya", role: "admin", email: "selin@ornekmobilya.example", phone: "+905321234567", company: "ext:demo" },
  mert: { id: "8", name: "Mert Aydın", role: "member", company: "ext:demo" },
};

const sign = (text) => createHmac("sha256", process.env.CRM_SECRET).update(text).digest("base64url");

/** The signed-in user, or null. */
export async function currentUser() {
  const [name, signature] = ((await cookies()).get(COOKIE)?.value ?? "").split(".");
  const expected = Buffer.from(sign(name ?? ""));
  const given = Buffer.from(signature ?? "");
  const isOurs = expected.length === given.length && timingSafeEqual(expected, given);
  return isOurs && Object.hasOwn(USERS, name) ? USERS[name] : null;
}

/** Signs a user in; a real CRM asks for more than a name. */
export async function signIn(name) {
  if (!Object.hasOwn(USERS, name)) return false;
  const secure = process.env.CRM_SECURE === "true";
  (await cookies()).set(COOKIE, `${name}.${sign(name)}`, { httpOnly: true, sameSite: "lax", secure, path: "/" });
  return true;
}
