import { NextResponse } from "next/server";
import { signIn } from "../../../lib/crm.mjs";

export async function POST(request) {
  const form = await request.formData();
  const isKnown = await signIn(String(form.get("user")));
  return new NextResponse(null, { status: 303, headers: { location: isKnown ? "/integrations" : "/" } });
}
