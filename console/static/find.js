// Finding words in the open conversation, from one message to the next, also those that the page has not loaded yet.
import { all, byId } from "./dom.js";

export function startFind({ seek }) {
  let here = -1;  // which of the messages is shown

  // The places of the messages that were found, in reading order.
  const found = () => byId("found")?.querySelector("[data-messages]")?.dataset.messages.trim().split(" ") ?? [];
  const elementOf = (place) => messageOf(withHyphens(place.split("-").at(-1)));

  async function go(to) {
    const places = found();
    if (!places.length) return;
    here = (to + places.length) % places.length;
    const place = places[here], sign = byId("found").firstElementChild;
    sign.textContent = sign.dataset.position.replace("{n}", here + 1);
    if (!elementOf(place)) await load(place);
    if (elementOf(place)) show(elementOf(place));
  }

  function end() {
    byId("find").hidden = true;
    byId("find-text").value = "";
    byId("found").replaceChildren();
    showNone();
    seek("");
    byId("chat").focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("#find-open"), step = event.target.closest("[data-match]")?.dataset.match;
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      byId("find").hidden = false;
      byId("find-text").select();
    } else if (step === "end") end();
    else if (step) go(here + Number(step));
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "find-text" || event.isComposing || !byId("found")) return;
    const step = { Enter: event.shiftKey ? 1 : -1, ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") end();
    else if (step && found().length) go(here + step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
  document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (["panel", "desk-open"].includes(target?.id)) showFirst();
    if (target?.id !== "found") return;
    seek(byId("find-text").value);
    const at = byId("chat").dataset.at, places = found();
    delete byId("chat").dataset.at;
    if (!places.length) showNone();
    go(at ? places.findIndex((place) => elementOf(place)?.dataset.message === at) : places.length - 1);
  });
  document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
    if (target?.id === "newest" && found()[here]) elementOf(found()[here])?.classList.add("match");
  });
  showFirst();
}

// The message at which the conversation was opened.
function showFirst() {
  const message = messageOf(byId("chat")?.dataset.at);
  if (message) show(message);
}

// No ids, by which htmx would look for each message of before whenever it replaces them.
const messageOf = (id) => document.querySelector(`#chat [data-message="${id}"]`);

const showNone = () => all("#chat .match").forEach((each) => each.classList.remove("match"));

function show(message) {
  const chat = byId("chat");
  showNone();
  message.classList.add("match");
  const [inside, around] = [message.getBoundingClientRect(), chat.getBoundingClientRect()];
  chat.scrollTop += inside.top - around.top - (around.height - inside.height) / 2;
}

// Loads what lies around a place into the gap in which it is.
async function load(place) {
  const gap = all("#chat .more").find(({ dataset: { after, before } }) =>
    (!after || precedes(after, place)) && (!before || precedes(place, before)));
  if (!gap) return;
  const { from, after, before } = gap.dataset;
  const address = new URLSearchParams({ around: place, ...(after && { after }), ...(before && { before }) });
  await htmx.ajax("GET", `${from}?${address}`, { target: gap, swap: "outerHTML" });
}

// Whether one place is before another: by time, then by arrival, then by id.
function precedes(one, other) {
  const [a, b] = [one, other].map((place) => /^(-?\d+)-(-?\d+)-(\w+)$/.exec(place).slice(1));
  for (const part of [0, 1]) if (a[part] !== b[part]) return BigInt(a[part]) < BigInt(b[part]);
  return a[2] < b[2];
}

const withHyphens = (hex) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
