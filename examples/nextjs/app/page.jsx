import Link from "next/link";
import { currentUser } from "../lib/crm.mjs";

export default async function Home() {
  const user = await currentUser();
  return (
    <main style={{ padding: 24 }}>
      <h1>Örnek CRM</h1>
      {user ? (
        <p>
          {user.name} · <Link href="/integrations">Entegrasyonlar</Link>
        </p>
      ) : (
        <form method="post" action="/api/sign-in">
          <button name="user" value="selin">Selin Kaya olarak gir</button>
        </form>
      )}
    </main>
  );
}
