// The dialog, the panel beside the list, menus, copy buttons and the preview of a mail.
import { all, byId } from "./dom.js";

export function startDialogs({ reconnect }) {
  const box = byId("dialog-box");
  startDialog(box);
  startPanel(reconnect);
  startMenus(box);
  startButtons();
  startPreview();
  startCopying();
}

// A link that is shown as a button is pressed with Space too.
function startButtons() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || !event.target.matches("a[role=button]")) return;
    event.preventDefault();
    event.target.click();
  });
}

// What lies outside a modal dialog cannot be reached, so the notices move into it while it is open.
function startDialog(box) {
  let opener = null, asked = null;

  // The last dialog that was asked for opens, and none that was closed before it came.
  document.addEventListener("htmx:beforeRequest", ({ detail: { target, xhr, requestConfig } }) => {
    if (target?.id !== "dialog") return;
    asked?.abort();
    asked = requestConfig.verb === "get" ? xhr : null;
  });
  document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (target?.id !== "dialog") return;
    const full = !!target.textContent.trim();
    if (full && !box.open) {
      opener = document.activeElement;
      box.append(byId("notices"));
      box.showModal();
    }
    if (!full && box.open) box.close();
    const first = target.querySelector("[role=alert], [autofocus]") || target.querySelector("#dialog-title");
    first?.scrollIntoView?.({ block: "nearest" });
  });
  box.addEventListener("close", () => {
    asked?.abort();
    const shown = byId("dialog").querySelector("[data-closed]");
    if (shown) sayClosed(shown.dataset.closed, box);
    byId("dialog").replaceChildren();
    document.body.append(byId("notices"));
    again(opener)?.focus();
    opener = null;
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-close]") || !box.open) return;
    event.preventDefault();
    box.close();
  });
}

// What the page has in place of what opened the dialog: it may have been brought up to date meanwhile.
function again(opener) {
  if (!opener || opener.isConnected) return opener;
  const row = opener.closest("tr");
  return (opener.id && byId(opener.id)) || (row?.id && byId(row.id)?.querySelector(".plus"));
}

// Others need not wait until the dialog is forgotten. Said again, in case a look of the dialog was under way.
function sayClosed(address, box) {
  fetch(address).catch(() => {});
  setTimeout(() => { if (!box.open) fetch(address).catch(() => {}); }, 1000);
}

function startPanel(reconnect) {
  let opener = null;  // the id of the link that opened the panel

  function refresh() {
    const drawer = document.querySelector("#panel .drawer");
    document.body.classList.toggle("beside", !!drawer);
    toEnd();
    return drawer;
  }

  startChat();

  document.addEventListener("click", (event) => {
    const link = event.target.closest(".plus, .open, .open-at");
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;  // these open another tab or window
    if (!link) {
      pressRow(event.target);
      return;
    }
    if (!link.matches(".open")) {
      opener ??= link.id;
      return;
    }
    event.preventDefault();  // the name and the text of a row open what its plus opens
    opener = link.id || null;
    link.closest("tr").querySelector(".plus").click();
  });
  document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (target?.id !== "panel") return;
    const drawer = refresh();
    const title = target.querySelector("h2");
    title?.focus({ preventScroll: true });
    all("#list tr").forEach((row) => row.classList.toggle("here", row.id === `row-${drawer?.dataset.open}`));
    if (!title && opener) {
      byId(opener)?.focus();
      opener = null;
    }
    reconnect();
  });
  document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {  // a note or tag that had the focus is gone
    if (target?.id === "kept" && document.activeElement === document.body) byId("kept-title")?.focus();
  });
  refresh();
}

// A row opens wherever it is pressed, except where its text is being selected. Beside its box it is ticked.
function pressRow(pressed) {
  const row = pressed.closest("#list tbody tr");
  if (!row || pressed.closest("a, button, input, label") || getSelection().toString()) return;
  if (pressed.closest(".pick")) row.querySelector("input[name=pick]:not(:disabled)")?.click();
  else row.querySelector(".plus")?.click();
}

const toEnd = () => {
  const chat = byId("chat");
  if (chat) chat.scrollTop = chat.scrollHeight;
};

// What is being read stays where it is when earlier messages come in above it, and the end stays in view when new ones
// arrive there.
function startChat() {
  let below = null, atEnd = false, replies = "";
  document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
    const chat = byId("chat");
    if (target?.matches?.(".more") && chat) below = chat.scrollHeight - chat.scrollTop;
  });
  document.addEventListener("htmx:afterSettle", ({ detail: { requestConfig } }) => {
    const chat = byId("chat");
    if (below === null || !chat) return;
    chat.scrollTop = requestConfig?.path.includes("first=1") ? 0 : chat.scrollHeight - below;
    below = null;
    if (document.activeElement === document.body) chat.focus({ preventScroll: true });
  });
  document.addEventListener("htmx:oobBeforeSwap", ({ detail: { target } }) => {
    const chat = byId("chat");
    if (target?.id !== "newest" || !chat) return;
    atEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 40;
    replies = document.activeElement.dataset.reply ?? "";  // these links have no id, by which htmx keeps the focus
  });
  document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
    if (target?.id !== "newest") return;
    if (atEnd) toEnd();
    const link = replies && target.querySelector(`[data-reply="${CSS.escape(replies)}"]`);
    if (link) link.focus({ preventScroll: true });
  });
}

function startMenus(box) {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[aria-disabled=true]")) event.preventDefault();
    const menu = event.target.closest("details.menu");
    all("details.menu[open]").forEach((each) => { if (each !== menu) each.open = false; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || box.open || event.isComposing) return;
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (!event.target.matches("input, textarea, select")) {  // text that is being typed stays
      byId("panel-close")?.click();
    }
  });
}

// A preview is an ordinary post into a frame, so htmx must not send it.
function startPreview() {
  document.addEventListener("htmx:confirm", (event) => {
    const button = event.detail.triggeringEvent?.submitter;
    if (!button?.hasAttribute("data-plain")) return;
    event.preventDefault();
    const frame = document.querySelector(`iframe[name=${button.formTarget}]`), form = button.form;
    if (!form.reportValidity()) return;
    frame.hidden = false;
    const [action, target] = [form.action, form.target];
    Object.assign(form, { action: button.formAction, target: button.formTarget });
    HTMLFormElement.prototype.submit.call(form);
    Object.assign(form, { action, target });
    frame.focus();
  });
}

function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = byId("notices").dataset.copied;
    } catch {  // plain http has no clipboard: select the text, so that it can be copied by hand
      getSelection().selectAllChildren(button.previousElementSibling);
    }
  });
}
