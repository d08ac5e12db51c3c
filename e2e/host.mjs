// A page of the CRM on another site, with the pages inside it.
import { createServer } from "node:http";

/**
 * Serves one page that frames whatever `frame()` gives; `{url, port, asked, stop()}`, with the paths it was asked for.
 * `sandbox` says what a frame may that may not do everything.
 */
export async function startHost(frame, { sandbox } = {}) {
  const asked = [];
  const server = createServer(async (request, response) => {
    asked.push(request.url);
    if (request.url !== "/") return void response.writeHead(404).end();
    const source = String(await frame()).replaceAll("&", "&amp;").replaceAll("\"", "&quot;");
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="tr"><title>CRM</title><h1>CRM</h1>
      <iframe id="santral" title="Entegrasyon Merkezi" src="${source}" width="1000" height="300"
        ${sandbox ? `sandbox="${sandbox}"` : ""}></iframe>
      <script>
        window.heights = [];
        addEventListener("message", (event) => {
          const frame = document.getElementById("santral");
          if (event.source !== frame.contentWindow || event.data?.santral !== "height") return;
          window.heights.push(event.data.height);
          frame.height = event.data.height;
        });
      </script></html>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  const stop = () => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); });
  // The browser sees another site than 127.0.0.1, not just another port.
  return { url: `http://localhost:${port}`, port, asked, stop };
}
