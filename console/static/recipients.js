// The dialogs that transfer: the mode that can work for the chosen recipient, and finding one among hundreds.
import { all } from "./dom.js";

export function startRecipients() {
  let wanted = null;  // the mode that the person chose; until then the page chooses one that can work

  document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (target?.id !== "dialog") return;
    wanted = null;
    const form = target.querySelector("form:has([name=to])");
    if (form) fit(form, null);
  });
  document.addEventListener("change", ({ target }) => {
    if (target.name === "mode") wanted = target.value;
    if (target.name === "to" || target.name === "mode") fit(target.form, wanted);
  });
  document.addEventListener("input", ({ target }) => {
    if (target.matches("[data-find]")) find(target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("[data-find]")) return;
    event.preventDefault();  // chooses, and does not yet send
    const first = all(".recipients .opt:not([hidden]) input", event.target.form)[0];
    first?.focus();
    first?.click();
  });
  for (const form of all("form:has([name=to])")) fit(form, null);
}

function fit(form, wanted) {
  const to = form.querySelector("[name=to]:checked");
  const mode = (value) => form.querySelector(`[name=mode][value=${value}]`);
  const immediate = mode("immediate"), split = mode("split"), exclusive = mode("exclusive");
  if (!immediate?.closest(".opt").querySelector(".would-not")) return;  // nothing is refused when an answer is promised
  const free = to ? Number(to.dataset.free) : 0, possible = free > 0;
  const button = form.querySelector(".go[data-all]"), fewer = possible && free < Number(button?.dataset.all);
  if (split) split.closest(".opt").hidden = !fewer;
  if ((!wanted || (wanted === "split" && !fewer)) && to && !exclusive.disabled) {
    (!possible ? exclusive : fewer && split ? split : immediate).checked = true;
  }
  const option = immediate.closest(".opt");
  option.classList.toggle("refused", !possible);
  option.querySelector(".does").hidden = !possible;
  option.querySelector(".would-not").hidden = possible;
  if (button) button.textContent = label(button, immediate.checked, split?.checked, free);
}

// What the button of a bulk action will do.
function label(button, immediate, both, free) {
  const { all: number, transfer, some, split, reserve } = button.dataset;
  if (both) return split.replace("{free}", free).replace("{rest}", number - free);
  const fewer = free > 0 && free < Number(number);
  return !immediate ? reserve : fewer ? some.replace("{free}", free) : transfer;
}

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function find(field) {
  const words = plain(field.value).split(/\s+/).filter(Boolean);
  const options = all(".recipients .opt", field.form);
  for (const option of options) {
    const text = plain(option.textContent);
    option.hidden = !words.every((word) => text.includes(word));
  }
  field.form.querySelector(".nobody").hidden = options.some((option) => !option.hidden);
}
