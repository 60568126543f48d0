// Notices over the page, and what the page says when a request fails. Nothing that was typed is lost then.
import { all, byId } from "./dom.js";

const SHOWN = 10000, CHECKED_AGAIN = 2000;  // milliseconds
const MOST = 4;  // notices at once

export function startNotices() {
  const notices = byId("notices");

  // `text` names a data attribute of #notices; `id` keeps the same error from being shown twice.
  function showError(text, id = "no-answer") {
    if (byId(id)) return;
    const notice = document.createElement("div");
    notice.id = id;
    notice.className = "notice rejected";
    notice.textContent = notices.dataset[text];
    notices.append(notice);
  }

  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) if (node.nodeType === Node.ELEMENT_NODE) complete(node, notices.dataset.dismiss);
    }
  }).observe(notices, { childList: true });
  document.addEventListener("click", (event) => event.target.closest(".dismiss")?.closest(".notice").remove());
  startErrors(showError);
  return { showError };
}

// Adds the button that closes a notice. A notice with data-fades closes automatically unless it is in use.
function complete(node, label) {
  const notice = node.matches(".notice") ? node : node.querySelector(".notice");
  if (!notice || notice.querySelector(".dismiss")) return;
  replaceOlder(notice);
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "dismiss", textContent: "✕" });
  button.setAttribute("aria-label", label);
  notice.append(button);
  if (!notice.hasAttribute("data-fades")) return;
  const fade = () => {
    if (notice.matches(":hover, :focus-within")) setTimeout(fade, CHECKED_AGAIN);
    else notice.remove();
  };
  setTimeout(fade, SHOWN);
}

// What is newer about a conversation takes the place of the older "Undo", which would be refused. The oldest notices make
// room, but never one whose result is awaited.
function replaceOlder(notice) {
  const others = all(".notice", byId("notices")).filter((each) => each !== notice);
  for (const other of others) {
    if (notice.dataset.about && other.dataset.about === notice.dataset.about) other.querySelector("form")?.remove();
  }
  others.filter((each) => !each.matches(".pending")).slice(0, Math.max(0, others.length + 1 - MOST))
    .forEach((each) => each.remove());
}

function startErrors(showError) {
  const automatic = (event) => event.detail.requestConfig.headers["X-Live"];

  // An error page of a proxy, or one that was sent while the server was too busy, must not replace what is open.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status < 400 || xhr.getResponseHeader("X-Console")) {
      byId("no-answer")?.remove();
      return;
    }
    event.detail.shouldSwap = false;
    if (!automatic(event)) showError("noAnswer");
  });
  document.addEventListener("htmx:timeout", (event) => { if (!automatic(event)) showError("timeOut", "time-out"); });
  document.addEventListener("htmx:sendError", (event) => { if (!automatic(event)) showError("noAnswer"); });
  document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
    const token = xhr.getResponseHeader("X-Form-Token");
    if (!token) return;
    all("input[name=csrf]").forEach((field) => { field.value = token; });
    showError("again", "too-old");
  });
}
