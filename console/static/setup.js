// The page about setting the installation up looks again by itself while somebody sees it: what happens outside, at Meta
// or on a server, gives no hint.
import { byId } from "./dom.js";

const EVERY = 5000;  // milliseconds
const PARTS = "#setup-summary, #setup-ask, .setup-step";

export function startSetup() {
  if (!byId("setup-steps")) return;
  setInterval(() => { if (!document.hidden) look(); }, EVERY);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

  async function look() {
    try {
      const answer = await fetch(location.pathname, { headers: { "X-Live": "1" } });
      if (!answer.ok || answer.redirected || !answer.headers.has("X-Console")) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const now of page.querySelectorAll(PARTS)) show(now);
    } catch {
      return;  // what cannot be reached is said elsewhere
    }
  }
}

// Tokens of forms differ each time, so only what can be read counts. A button that has the focus keeps it.
function show(now) {
  const before = byId(now.id);
  if (!before || before.textContent === now.textContent) return;
  const focused = before.contains(document.activeElement) ? document.activeElement.id : "";
  before.replaceWith(now);
  if (focused) byId(focused)?.focus();
}
