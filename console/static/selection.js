// Ticked rows and their counter; the filter bar, which is sent as soon as a choice is made.
import { all, byId } from "./dom.js";

const BOXES = "input[name=pick]:not(:disabled)";

export function startSelection() {
  startTicks();
  const bar = byId("bar");
  if (!bar) return;
  startBar(bar);
  new ResizeObserver(() => {  // the head of the table stays below the filters
    document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`);
  }).observe(bar);
}

function startTicks() {
  const keep = new Set();  // rows that were ticked when the stream replaced them
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.id === "pick-all") whole().forEach((each) => { each.checked = box.checked; });
    showCount();
  });
  document.addEventListener("click", ({ target }) => {
    if (target.id !== "clear-selection") return;
    all(BOXES).forEach((each) => { each.checked = false; });
    showCount();
    byId("pick-all")?.focus();
  });
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const box = event.detail.target.querySelector?.("input[name=pick]:checked");
    if (box) keep.add(box.value);
  });
  document.addEventListener("htmx:oobAfterSwap", () => {
    for (const value of keep) {
      const box = document.querySelector(`${BOXES}[value="${value}"]`);
      if (box) box.checked = true;
    }
    keep.clear();
    showCount();
  });
  showCount();
}

// What the box above the rows ticks: those that can be transferred, or closed ones where the list shows nothing else.
function whole() {
  const active = all(`.active ${BOXES}`);
  return active.length ? active : all(BOXES);
}

function showCount() {
  const counter = byId("selected"), every = byId("pick-all");
  if (!counter) return;
  const boxes = whole();
  let ticked = all(BOXES).filter((box) => box.checked).length;
  const full = boxes.length > 0 && boxes.every((box) => box.checked);
  const matching = document.querySelector("#bulk .all");
  if (matching) {
    const chosen = matching.querySelector("input");
    if (!full) chosen.checked = false;  // not all rows are ticked: this must not mean all that match
    matching.hidden = !full;
    if (chosen.checked && matching.dataset.total) ticked = Number(matching.dataset.total);
  }
  const texts = JSON.parse(counter.dataset.texts);  // by plural category of the page's language
  const category = new Intl.PluralRules(document.documentElement.lang).select(ticked);
  counter.textContent = (texts[category] ?? texts.other).replace("{n}", ticked);
  if (every) {
    every.checked = full;
    every.indeterminate = ticked > 0 && !full;
  }
}

// Arrow keys walk through the choices of a field, so with the keyboard a choice counts once the field is left or Enter is
// pressed. The field that had the focus has it again on the page that follows.
function startBar(bar) {
  let byKey = false, chosen = null;

  function send(focusNext) {
    if (!chosen) return;
    sessionStorage.setItem("focus", focusNext);
    chosen = null;
    bar.requestSubmit();
  }

  bar.addEventListener("formdata", ({ formData }) => {  // the address holds what was chosen, and nothing else
    for (const [name, value] of [...formData]) {
      if (!value) formData.delete(name);
    }
  });
  bar.addEventListener("change", (event) => {
    if (event.target.name === "q" || !event.target.name) return;
    chosen = event.target;
    if (!byKey) send(chosen.name);
  });
  bar.addEventListener("pointerdown", () => { byKey = false; });
  bar.addEventListener("keydown", (event) => {
    byKey = true;
    if (event.key !== "Enter" || !event.target.matches("select, [type=radio]")) return;
    event.preventDefault();
    send(event.target.name);
  });
  bar.addEventListener("focusout", (event) => {
    const next = event.relatedTarget?.name;
    if (next !== event.target.name) send(next || event.target.name);
  });

  const name = sessionStorage.getItem("focus");
  if (!name) return;
  sessionStorage.removeItem("focus");
  const fields = all(`[name="${CSS.escape(name)}"]`, bar);
  (fields.find((field) => field.checked) || fields[0])?.focus();
}
