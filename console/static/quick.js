// Quick replies: a slash in the answer opens their list, what follows it narrows the list, Enter inserts at the cursor.
import { byId } from "./dom.js";

const ASKED = /(^|\s)\/([^\s/]*)$/;  // what stands before the cursor

export function startQuick() {
  const text = () => byId("answer")?.querySelector("textarea");
  const list = () => byId("quick");
  const options = () => [...(list()?.querySelectorAll("[role=option]:not([hidden])") ?? [])];
  const asked = () => text()?.value.slice(0, text().selectionStart).match(ASKED);

  async function refresh() {
    const box = list();
    if (!box) return;
    const found = asked();
    if (!found) return close();
    if (!box.childElementCount) {
      const answer = await fetch(box.dataset.from, { headers: { "HX-Request": "true" } }).catch(() => null);
      if (!answer?.ok || !box.isConnected) return;
      box.innerHTML = await answer.text();
    }
    if (document.activeElement !== text()) return;
    for (const each of box.querySelectorAll("[role=option]")) {
      each.hidden = !each.dataset.shortcut.toLowerCase().startsWith(found[2].toLowerCase());
    }
    const any = options().length > 0;
    box.querySelector("[role=listbox]").hidden = !any;
    box.querySelector(".none").hidden = any;
    box.hidden = false;
    choose(options()[0]);
  }

  function choose(option) {
    for (const each of list().querySelectorAll("[role=option]")) each.setAttribute("aria-selected", each === option);
    if (option) text().setAttribute("aria-activedescendant", option.id);
    else text().removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }

  function close() {
    if (!list() || list().hidden) return;
    list().hidden = true;
    text()?.removeAttribute("aria-activedescendant");
  }

  // Replaces what was typed of the shortcut, or the selection.
  function insert(said, from) {
    const box = text();
    box.focus();
    box.setRangeText(said, from ?? box.selectionStart, box.selectionEnd, "end");
    close();
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function take(option) {
    const found = asked();
    insert(option.dataset.text, found ? text().selectionStart - found[2].length - 1 : undefined);
  }

  document.addEventListener("input", ({ target }) => { if (target === text()) refresh(); });
  document.addEventListener("keydown", (event) => {
    if (event.target !== text() || !list() || list().hidden || event.isComposing || event.altKey) return;
    const shown = options(), here = shown.findIndex((each) => each.getAttribute("aria-selected") === "true");
    if (event.key === "Escape") close();
    else if (shown.length && event.key === "ArrowDown") choose(shown[(here + 1) % shown.length]);
    else if (shown.length && event.key === "ArrowUp") choose(shown[(here - 1 + shown.length) % shown.length]);
    else if (shown[here] && (event.key === "Enter" || event.key === "Tab") && !event.ctrlKey) take(shown[here]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest("#quick [role=option]");
    if (!option) return;
    event.preventDefault();  // the answer keeps the focus
    take(option);
  });
  document.addEventListener("click", (event) => {
    const used = event.target.closest("[data-insert]");
    if (used && text()) insert(used.dataset.insert);
    if (!event.target.closest("[data-quick]") || !text()) return;
    const before = text().value.slice(0, text().selectionStart);
    insert(before === "" || /\s$/.test(before) ? "/" : " /");
  });
  document.addEventListener("focusout", ({ target }) => { if (target === text()) close(); });
  // Where the cursor has left the shortcut, Enter is a line end again.
  document.addEventListener("selectionchange", () => {
    if (document.activeElement === text() && !asked()) close();
  });
}
