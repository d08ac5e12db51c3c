import { redirect } from "next/navigation";
import { currentUser } from "../../lib/crm.mjs";
import Frame from "./frame.jsx";

export default async function Integrations() {
  if (!(await currentUser())) redirect("/");
  return (
    <main>
      <h1 style={{ padding: "0 24px" }}>Ayarlar · Entegrasyonlar</h1>
      <Frame origin={new URL(process.env.SANTRAL_URL).origin} />
    </main>
  );
}
