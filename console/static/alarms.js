// The line about the installation on every page, and what a person wants to be told: in the title, on the icon, by a
// sound, by the desktop. All pages of a browser ask; one of them rings.
import { createBell } from "./bell.js";
import { byId } from "./dom.js";

const EVERY = 15000;  // milliseconds
const TOLD = "alarms-told";  // what was last rung for, shared by the pages of this browser
const MARK = /^\d+ ⚠ · /;

export function startAlarms() {
  if (!byId("health")) return;
  const icon = document.querySelector("link[rel=icon]");
  const plain = icon.href, marked = icon.dataset.marked;
  let bell = null;
  if (byId("health").hasAttribute("data-sound")) bell = createBell(() => {});
  startPermission();
  show();
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  new MutationObserver(showTitle).observe(document.querySelector("title"), { childList: true });

  async function look() {
    try {
      const headers = { "X-Live": "1", "HX-Request": "true", "HX-Target": "health" };
      const answer = await fetch("/health-line", { headers });
      if (!answer.ok || !answer.headers.has("X-Console")) return;
      const template = document.createElement("template");
      template.innerHTML = await answer.text();
      const now = template.content.querySelector("#health"), before = byId("health");
      if (!now || now.isEqualNode(before)) return;
      const focused = before.contains(document.activeElement);
      before.replaceWith(now);
      if (focused) now.querySelector("a")?.focus();
    } catch {
      return;  // what cannot be reached is said elsewhere
    }
    show();
  }

  function count() {
    return Number(byId("health").dataset.count ?? 0);
  }

  // Others change the title too; the mark is put before what they write.
  function showTitle() {
    const wanted = (count() ? `${count()} ⚠ · ` : "") + document.title.replace(MARK, "");
    if (document.title !== wanted) document.title = wanted;
  }

  function show() {
    showTitle();
    icon.href = count() ? marked : plain;
    const told = Number(localStorage.getItem(TOLD) ?? 0);
    if (told !== count()) localStorage.setItem(TOLD, count());
    if (count() > told) tell();
  }

  function tell() {
    const { sound, desktop, text } = byId("health").dataset;
    if (sound !== undefined) (bell ??= createBell(() => {})).play();
    if (desktop === undefined || !("Notification" in window) || Notification.permission !== "granted") return;
    const notification = new Notification(text, { tag: "witiop-running-out", icon: plain });
    notification.onclick = () => { window.focus(); notification.close(); };
  }
}

// Only a button asks for the permission.
function startPermission() {
  const state = byId("permission-state"), ask = byId("permission-ask");
  if (!state) return;
  const show = () => {
    const permission = "Notification" in window ? Notification.permission : "none";
    state.textContent = state.dataset[permission] ?? "";
    ask.hidden = permission !== "default";
  };
  ask.addEventListener("click", async () => { await Notification.requestPermission(); show(); });
  show();
}
