// Mails that are being written: one draft for each conversation, kept until it is sent, and again when sending is undone.
import { all } from "./dom.js";

const FIELDS = ["to", "subject", "body"];

export function startDrafts() {
  document.addEventListener("input", ({ target }) => {
    const form = target.closest?.(".mail-form");
    if (form) sessionStorage.setItem(`draft:${conversation()}`, JSON.stringify(read(form)));
  });
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    if (elt.matches(".mail-form")) sessionStorage.setItem(`sent:${conversation()}`, JSON.stringify(read(elt)));
  });
  document.addEventListener("htmx:afterSwap", ({ detail: { target, requestConfig, xhr } }) => {
    if (target?.id !== "panel") return;
    const sent = requestConfig?.elt?.matches(".mail-form") && xhr.status < 400;
    if (sent) sessionStorage.removeItem(`draft:${conversation()}`);
    restore();
  });
  new MutationObserver(() => all("#notices [data-again]").forEach(writeAgain))
    .observe(document.getElementById("notices"), { childList: true, subtree: true });
  restore();
}

const conversation = () => document.querySelector("#panel .drawer")?.dataset.open;

function read(form) {
  return Object.fromEntries(FIELDS.map((name) => [name, form.elements[name]?.value ?? ""]));
}

// What the server has filled in again, because it rejected a mail, is newer than the draft.
function restore() {
  const form = document.querySelector("#panel .mail-form");
  const draft = sessionStorage.getItem(`draft:${conversation()}`);
  if (!form || !draft || form.querySelector("[role=alert]")) return;
  for (const [name, value] of Object.entries(JSON.parse(draft))) {
    if (form.elements[name]) form.elements[name].value = value;
  }
}

// A mail that was recalled is opened again with what was typed.
function writeAgain(notice) {
  const { again, about } = notice.dataset;
  delete notice.dataset.again;
  const sent = sessionStorage.getItem(`sent:${about}`);
  if (!sent) return;
  sessionStorage.setItem(`draft:${about}`, sent);
  htmx.ajax("GET", again, { target: "#panel", swap: "innerHTML" });
}
