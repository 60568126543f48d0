// Mails and answers that are being written: one draft of each for every conversation, kept until it is sent, and again
// when sending is undone or refused.
import { all, byId } from "./dom.js";

const KINDS = {
  "mail-form": ["to", "subject", "body"],
  answer: ["text", "reply_to", "button1", "button2", "button3"],
};

export function startDrafts() {
  document.addEventListener("input", ({ target }) => {
    const form = target.closest?.("form"), kind = kindOf(form);
    if (kind) keep("draft", kind, read(form, kind));
  });
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    const kind = kindOf(elt);
    if (kind) keep("sent", kind, read(elt, kind));
  });
  document.addEventListener("htmx:afterSwap", ({ detail: { target, requestConfig, xhr } }) => {
    if (!["panel", "answer", "desk-open"].includes(target?.id)) return;
    const sent = kindOf(requestConfig?.elt);
    if (sent && xhr.status < 400) sessionStorage.removeItem(key("draft", sent));
    Object.keys(KINDS).forEach(restore);
  });
  document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
    if (target?.id === "answer") restore("answer");
  });
  new MutationObserver(() => {
    all("#notices [data-again]").forEach(writeMailAgain);
    all("#notices [data-restores]").forEach(writeAnswerAgain);
  }).observe(byId("notices"), { childList: true, subtree: true });
  Object.keys(KINDS).forEach(restore);
}

const conversation = () => document.querySelector("[data-open]")?.dataset.open;
const key = (state, kind, of = conversation()) => `${state}:${kind}:${of}`;
const keep = (state, kind, fields) => sessionStorage.setItem(key(state, kind), JSON.stringify(fields));
const kindOf = (form) => Object.keys(KINDS).find((kind) => form?.matches?.(`form.${kind}`));
const formOf = (kind) => document.querySelector(`form.${kind}`);

function read(form, kind) {
  return Object.fromEntries(KINDS[kind].map((name) => [name, form.elements[name]?.value ?? ""]));
}

// What the server has filled in again, because it rejected it or was asked to, is newer than the draft.
function restore(kind) {
  const form = formOf(kind), draft = sessionStorage.getItem(key("draft", kind));
  const kept = kind === "answer" && draft && document.querySelector("[data-kept]");
  if (kept) {  // the window is over: the draft has the latest keys, which the server may not have yet
    kept.textContent = JSON.parse(draft).text;
    kept.parentElement.hidden = !kept.textContent;
  }
  if (!form || !draft || form.parentElement.querySelector("[role=alert]") || form.elements.text?.value) return;
  fill(form, JSON.parse(draft));
}

function fill(form, fields) {
  for (const [name, value] of Object.entries(fields)) {
    if (form.elements[name]) form.elements[name].value = value;
  }
}

// A mail that was recalled is opened again with what was typed.
function writeMailAgain(notice) {
  const { again, about } = notice.dataset;
  delete notice.dataset.again;
  const sent = sessionStorage.getItem(key("sent", "mail-form", about));
  if (!sent) return;
  sessionStorage.setItem(key("draft", "mail-form", about), sent);
  htmx.ajax("GET", again, { target: "#panel", swap: "innerHTML" });
}

// An answer that was recalled or refused stands in its box again, unless another one is being written.
function writeAnswerAgain(notice) {
  const { about } = notice.dataset;
  delete notice.dataset.restores;
  const sent = sessionStorage.getItem(key("sent", "answer", about));
  const form = about === conversation() ? formOf("answer") : null;
  if (!sent || form?.elements.text?.value) return;
  sessionStorage.setItem(key("draft", "answer", about), sent);
  if (form) fill(form, JSON.parse(sent));
}
