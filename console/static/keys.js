// Lists by keyboard, and the way from one conversation to the next in the panel. Every key presses what the page also has
// as a link or button.
import { all, byId } from "./dom.js";

const OFF = "keys-off";  // in localStorage, once the person has switched the letters off
const BUTTONS = { t: "user", s: "skillset", e: "email" };

export function startKeys() {
  startSwitch();
  if (byId("row-actions")) startList();
  return { lettersOff };
}

const lettersOff = () => !!localStorage.getItem(OFF);

function startList() {
  startSteps();
  startMovingOn();
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing || lettersOff()) return;
    if (byId("dialog-box").open || document.querySelector("details.menu[open]")) return;
    if (event.target.matches("input:not([type=checkbox], [type=radio]), textarea, select")) return;
    if (press(event.key.toLowerCase())) event.preventDefault();
  });
}

// What a key presses; true if it is one of these keys.
function press(key) {
  if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
  else if (key === "x") current()?.querySelector("input[name=pick]")?.click();
  else if (key in BUTTONS) act(BUTTONS[key]);
  else if (key === "/") byId("bar")?.querySelector("[type=search]")?.select();
  else if (key === "f") byId("find-open")?.click();
  else if (key === "?") byId("show-keys")?.click();
  else if (key === "z") all("#notices .undo").at(-1)?.click();
  else return false;
  return true;
}

const open = () => document.querySelector("#panel [data-open]")?.dataset.open;
const openRow = () => byId(`row-${open()}`);
const current = () => document.activeElement.closest("#list tbody tr") ?? openRow();

function neighbour(row, by) {
  const rows = all("#list tbody tr");
  return row ? rows[rows.indexOf(row) + by] : rows[0];
}

// To the next row, or, while a conversation is open, to the next conversation.
function step(by) {
  if (open()) {
    neighbour(openRow(), by)?.querySelector(".plus").click();
    return;
  }
  const row = neighbour(current(), by);
  row?.querySelector(".who .open").focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

// For the ticked rows, if there are any, otherwise for the current one.
function act(what) {
  if (document.querySelector("#list input[name=pick]:checked")) {
    byId("bulk")?.querySelector(`[name=do][value=${what}]`)?.click();
    return;
  }
  const row = current(), plus = row?.querySelector(".plus");
  if (what !== "email") row?.querySelector(`[id^=${what}-]`)?.click();
  else if (open()) document.querySelector("#panel .tabs a[href*='tab=email']")?.click();
  else if (plus) {
    const address = new URL(plus.href);
    address.searchParams.set("tab", "email");
    htmx.ajax("GET", address.pathname + address.search, { source: plus, target: "#panel", swap: "innerHTML" });
  }
}

// Letters alone are pressed by accident too, and speech recognition types them: they can be switched off.
function startSwitch() {
  document.addEventListener("htmx:afterSwap", () => {
    const box = document.querySelector("[data-keys]");
    if (box) box.checked = !lettersOff();
  });
  document.addEventListener("change", ({ target }) => {
    if (!target.matches("[data-keys]")) return;
    if (target.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
}

// The two buttons in the panel's head.
function startSteps() {
  const refresh = () => {
    for (const button of all("#panel [data-step]")) button.disabled = !neighbour(openRow(), Number(button.dataset.step));
  };
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-step]");
    if (button) step(Number(button.dataset.step));
  });
  document.addEventListener("htmx:afterSwap", refresh);
  document.addEventListener("htmx:oobAfterSwap", refresh);
  refresh();
}

// After a transfer from the panel the next conversation opens, if the person wants that.
function startMovingOn() {
  let onward = false;
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    if (elt.matches("form.dlg")) onward = !!elt.elements.onward?.checked;  // the page asks for other things meanwhile
  });
  document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (target?.id !== "dialog" || target.textContent.trim() || !onward || !open()) return;
    onward = false;
    step(1);
  });
}
