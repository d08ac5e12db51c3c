// What the pages cannot do without a script: small comforts. Everything works without it.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  const say = (what) => { if (window.parent !== window) window.parent.postMessage({ santral: what, height: Math.ceil(document.body.getBoundingClientRect().height) }, "*"); };

  // The CRM's page learns how high this one is, and when its session is over.
  if (window.parent !== window) {
    new ResizeObserver(() => say("height")).observe(document.body);
    if (document.querySelector("[data-over]")) say("session-expired");
  }

  // After a form that went wrong, the reader is where it is said.
  const alert = document.querySelector("[role=alert][data-focus]");
  if (alert) alert.focus({ preventScroll: false });

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      await navigator.clipboard.writeText(copy.dataset.copy).catch(() => {});
      copy.classList.add("copied");
      setTimeout(() => copy.classList.remove("copied"), 1500);
    }
    const reveal = event.target.closest("[data-reveal]");
    if (reveal) {
      const field = document.getElementById(reveal.dataset.reveal);
      field.type = field.type === "password" ? "text" : "password";
      reveal.setAttribute("aria-pressed", String(field.type === "text"));
    }
    const insert = event.target.closest("[data-insert]");
    if (insert) {
      const field = document.getElementById(insert.dataset.into);
      field.setRangeText(insert.dataset.insert, field.selectionStart, field.selectionEnd, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.focus();
    }
    const pause = event.target.closest("[data-pause]");
    if (pause) {
      const paused = pause.getAttribute("aria-pressed") !== "true";
      pause.setAttribute("aria-pressed", String(paused));
      root.classList.toggle("paused", paused);
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-submit]")) event.target.form.requestSubmit();
  });

  // One press is enough; what takes long says so.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    dirty.delete(form);
    if (!form.dataset.busy || !button || event.defaultPrevented) return;
    button.setAttribute("aria-busy", "true");
    button.lastChild.textContent = form.dataset.busy;
    setTimeout(() => { button.disabled = true; });
  });

  // Half-filled forms are not left by mistake.
  const dirty = new Set();
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (form && form.dataset.guard !== undefined) dirty.add(form);
  });
  window.addEventListener("beforeunload", (event) => { if (dirty.size) event.preventDefault(); });

  // Live news stops while the reader has paused it, and what was missed is fetched when the stream comes back.
  document.addEventListener("htmx:before:request", (event) => {
    const source = event.detail?.ctx?.sourceElement;
    if (root.classList.contains("paused") && source?.closest?.("[data-live]")) event.preventDefault();
  });
})();
