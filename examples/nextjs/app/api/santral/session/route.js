// The frame begins here: whoever is signed in to the CRM is sent on to Santral's pages by a one-time link.
import { NextResponse } from "next/server";
import { currentUser } from "../../../../lib/crm.mjs";
import { sessionUrl } from "../../../../lib/santral.mjs";

export const dynamic = "force-dynamic";

export async function GET() {
  const user = await currentUser();
  if (!user) return new NextResponse("Oturum açın", { status: 401 });
  const url = await sessionUrl(user, { locale: "tr", accent: "#0a7d4f" });
  return NextResponse.redirect(`${url}?to=/app/integrations`, { status: 303, headers: { "cache-control": "no-store" } });
}
