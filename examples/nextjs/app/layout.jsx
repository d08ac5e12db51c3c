export const metadata = { title: "Örnek CRM" };

export default function Layout({ children }) {
  return (
    <html lang="tr">
      <body style={{ font: "16px/1.5 system-ui, sans-serif", margin: 0 }}>{children}</body>
    </html>
  );
}
