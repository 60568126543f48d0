// Mails, answers and notes that are being written: one draft of each for every conversation, kept until it is sent, and
// again when sending is undone or refused.
import { all, byId } from "./dom.js";

const KINDS = {
  "mail-form": ["to", "subject", "body", "mask", "notes"],
  answer: ["text", "reply_to", "button1", "button2", "button3"],
  "note-form": ["text"],
};
const MOST_KNOWN = 20;  // texts of one answer that the server may have while it does not respond
const MOST_SENT = 20;  // that can be written again

export function startDrafts({ showError }) {
  document.addEventListener("input", ({ target }) => {
    const form = target.closest?.("form"), kind = kindOf(form);
    if (kind) keep("draft", kind, { ...read(form, kind), known: knownOf(form, kind) });
  });
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt, xhr } }) => {
    const kind = kindOf(elt);
    if (kind) follow(elt, kind, xhr, showError);
  });
  // The panel of the conversation that was left meanwhile must not take the place of the one that is open now.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { target, requestConfig: { elt } } = detail;
    if (target?.id !== "panel" || elt.isConnected || !elt.matches("form.mail-form")) return;
    detail.target = document.createElement("div");  // the notice in the answer is shown
  });
  document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (["panel", "answer", "desk-open", "kept"].includes(target?.id)) Object.keys(KINDS).forEach(restore);
  });
  document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
    if (target?.id === "answer") restore("answer");
  });
  new MutationObserver(() => {
    all("#notices [data-again]").forEach(writeMailAgain);
    all("#notices [data-restores]").forEach(writeAnswerAgain);
  }).observe(byId("notices"), { childList: true, subtree: true });
  Object.keys(KINDS).forEach(restore);

  // The server has this text of an answer, or may have it soon: what is typed from then on follows it.
  function noteKnown(of, text, isKept) {
    const place = key("draft", "answer", of), draft = JSON.parse(sessionStorage.getItem(place));
    if (!draft) return;
    const [first, ...later] = [...draft.known, text];
    const known = isKept ? [text] : [first, ...later.slice(-MOST_KNOWN)];
    sessionStorage.setItem(place, JSON.stringify({ ...draft, known }));
  }
  return { noteKnown };
}

const conversation = () => document.querySelector("[data-open]")?.dataset.open;
const key = (state, kind, of = conversation()) => `${state}:${kind}:${of}`;
const keep = (state, kind, fields) => sessionStorage.setItem(key(state, kind), JSON.stringify(fields));
const kindOf = (form) => conversation() && Object.keys(KINDS).find((kind) => form?.matches?.(`form.${kind}`));
const formOf = (kind) => document.querySelector(`form.${kind}`);

function read(form, kind) {
  return Object.fromEntries(KINDS[kind].map((name) => {
    const field = form.elements[name];
    return [name, (field?.type === "checkbox" ? field.checked : field?.value) ?? ""];
  }));
}

// What was sent is no draft any more, whichever conversation is open when the server has it; what was typed meanwhile is
// one. This has to be known before the box is replaced.
function follow(form, kind, xhr, showError) {
  const sent = read(form, kind), draft = key("draft", kind);
  xhr.addEventListener("readystatechange", () => {
    if (xhr.readyState !== XMLHttpRequest.DONE) return;
    if (xhr.status < 200 || xhr.status >= 400) {  // a form that is not in the page any more cannot show what is wrong
      const why = xhr.getResponseHeader("X-Console") ? "notSent" : "noAnswer";
      if (!form.isConnected) showError(why, `left-${draft}`);
      return;
    }
    sessionStorage.removeItem(draft);
    rememberSent(/id="command-([^"]+)"/.exec(xhr.responseText)?.[1], sent);
    const text = kind !== "mail-form" && typedAfter(sent.text, form.elements.text?.value);
    if (!text) return;
    sessionStorage.setItem(draft, JSON.stringify({ text, known: [""] }));
    setTimeout(() => {  // the box is there by then, and what stands in it is as good as typed there
      if (key("draft", kind) === draft) formOf(kind)?.elements.text?.dispatchEvent(new Event("input", { bubbles: true }));
    });
  });
}

function typedAfter(sent, text = "") {
  if (text === sent) return "";
  return text.startsWith(sent) ? text.slice(sent.length).trimStart() : text;
}

// Texts that the server had when this draft was begun, or may have since.
function knownOf(form, kind) {
  return JSON.parse(sessionStorage.getItem(key("draft", kind)))?.known ?? [form.elements.text?.defaultValue ?? ""];
}

// What the server has filled in again, because it rejected it or was asked to, is newer than the draft, and so is what it
// has from another page. What was typed here after the text that it shows, it had not kept when it was asked.
function restore(kind) {
  const form = formOf(kind), draft = sessionStorage.getItem(key("draft", kind));
  const kept = kind === "answer" && draft && document.querySelector("[data-kept]");
  if (kept) {  // the window is over: the draft has the latest keys, which the server may not have yet
    kept.textContent = JSON.parse(draft).text;
    kept.parentElement.hidden = !kept.textContent;
  }
  if (!form || !draft || form.parentElement.querySelector("[role=alert]")) return;
  const fields = JSON.parse(draft), shown = form.elements.text?.value;
  if (!shown || (form.elements.text.defaultValue === shown && fields.known?.includes(shown))) fill(form, fields);
}

function fill(form, fields) {
  for (const [name, value] of Object.entries(fields)) {
    const field = form.elements[name];
    if (field?.type === "checkbox") field.checked = value;
    else if (field) field.value = value;
  }
}

// What was sent, by its command: another text may be sent before this one is recalled or refused.
const allSent = () => JSON.parse(sessionStorage.getItem("sent") ?? "[]");

function rememberSent(command, fields) {
  if (command) sessionStorage.setItem("sent", JSON.stringify([...allSent(), { command, fields }].slice(-MOST_SENT)));
}

const sentBy = (command) => allSent().find((each) => each.command === command)?.fields;

// A mail that was recalled is opened again with what was typed.
function writeMailAgain(notice) {
  const { again, about, undone } = notice.dataset, sent = sentBy(undone);
  delete notice.dataset.again;
  if (!sent) return;
  sessionStorage.setItem(key("draft", "mail-form", about), JSON.stringify(sent));
  htmx.ajax("GET", again, { target: "#panel", swap: "innerHTML" });
}

// An answer that was recalled or refused stands in its box again. If another one is being written, a refused one is shown
// in its notice; one that was recalled stands among the messages.
function writeAnswerAgain(notice) {
  const { about, restores } = notice.dataset, sent = sentBy(restores), place = key("draft", "answer", about);
  delete notice.dataset.restores;
  if (!sent) return;
  const form = about === conversation() ? formOf("answer") : null;
  const other = form ? form.elements.text?.value : JSON.parse(sessionStorage.getItem(place))?.text;
  if (other) {
    if (notice.matches(".rejected")) notice.querySelector("p").append(document.createElement("br"), sent.text);
    return;
  }
  sessionStorage.setItem(place, JSON.stringify(sent));
  if (form) fill(form, sent);
}
