// The agents' page: what is offered is seen and heard, the page tells that it is open, and everything works by keyboard.
import { createBell } from "./bell.js";
import { all, byId } from "./dom.js";

const ALIVE = 60000;  // milliseconds between two signs of life
const HERE = 3000;  // milliseconds at least between two answers to the stream
const STARTED = 1000;  // by then a browser that allows sound has started it
const LETTERS = {
  r: "answer-text", h: "do-hand-over", p: "do-park", b: "do-give-back", t: "do-take-over", c: "do-close",
  f: "find-open", "?": "show-keys",
};
const TOO_SOON = 700;  // an Enter this early after an offer appeared was meant for something else

export function startDesk({ connect, showError, lettersOff }) {
  const desk = byId("desk");
  if (!desk) return;
  const page = pageOf(desk);
  const bell = createBell(() => { showSound(); tell(); });
  const offers = startOffers(desk, bell);

  // A page that has lost its stream would not show an offer.
  const rings = () => bell.rings() && !byId("live").classList.contains("lost");

  // The stream speaks every few seconds, also to a hidden tab, whose timers may sleep. No answer: nobody is offered.
  let answered = 0;
  document.addEventListener("stream-alive", () => {
    if (Date.now() - answered < HERE) return;
    answered = Date.now();
    const body = new URLSearchParams({ csrf: desk.dataset.csrf, page, rings: rings() ? "1" : "" });
    fetch(desk.dataset.here, { method: "POST", body, headers: { "X-Live": "1" } }).catch(() => {});
  });

  async function tell(again = true) {
    const body = new URLSearchParams({ csrf: desk.dataset.csrf, page, rings: rings() ? "1" : "" });
    const headers = { "HX-Request": "true", "HX-Target": "desk-alive" };
    const answer = await fetch(desk.dataset.alive, { method: "POST", body, headers }).catch(() => null);
    const token = answer?.headers.get("X-Form-Token");
    if (token && again) {
      desk.dataset.csrf = token;
      await tell(false);
    } else if (answer?.status === 401) showError("signedOut", "signed-out");
  }

  function showSound() {
    const sign = byId("sound");
    sign.hidden = false;
    sign.textContent = bell.rings() ? sign.dataset.on : sign.dataset.off;
    byId("deaf").hidden = bell.rings();
  }

  document.addEventListener("click", async (event) => {
    if (!event.target.closest("[data-test]")) return;
    if ("Notification" in window && Notification.permission === "default") Notification.requestPermission();
    if (await bell.unlock()) bell.play();
    showSound();
  });
  // Pressing *Ready* also allows the sound, which may take a moment to start.
  document.addEventListener("htmx:confirm", async (event) => {
    if (!event.target.closest(".presence") || bell.rings()) return;
    event.preventDefault();
    await bell.unlock();
    event.detail.issueRequest(true);
  });
  document.addEventListener("htmx:configRequest", ({ detail: { elt, parameters } }) => {
    if (!elt.closest(".presence")) return;
    parameters.set("page", page);
    parameters.set("rings", rings() ? "1" : "");
    elt.closest("details").open = false;
  });
  setInterval(tell, ALIVE);
  setTimeout(() => { showSound(); tell(); }, STARTED);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) tell(); });
  startOpen(desk, connect);
  startFocus();
  startKeys(offers, lettersOff);
}

// The name by which the page tells of itself, kept when it is loaded again. Not while it is shown: a tab that is
// duplicated copies what is kept, and would say of both that they cannot ring.
function pageOf(desk) {
  const page = sessionStorage.getItem("desk-page") ?? desk.dataset.page;
  sessionStorage.removeItem("desk-page");
  addEventListener("pagehide", () => sessionStorage.setItem("desk-page", page));
  return page;
}

// Cards of offers: each has a ring that runs out, and the page rings while there is one.
function startOffers(desk, bell) {
  const clock = document.documentElement.dataset;
  const skew = Date.parse(clock.now) - Date.now();
  const title = document.title;
  const known = new Map();  // id -> when the card appeared

  function count() {
    for (const ring of all(".ring")) {
      const rest = Math.ceil((Date.parse(ring.dataset.until) - Date.now() - skew) / 1000);
      const left = Math.min(Math.max(0, rest), ring.dataset.seconds);
      ring.querySelector("text").textContent = left < 100 ? left : `${Math.ceil(left / 60)}′`;
      const gone = Math.max(0, 100 - 100 * left / ring.dataset.seconds);
      ring.querySelector(".gone").setAttribute("stroke-dashoffset", gone.toFixed(1));
    }
  }

  function refresh() {
    const ids = all("[data-offer]").map((card) => card.dataset.offer);
    for (const id of known.keys()) if (!ids.includes(id)) known.delete(id);
    for (const id of ids.filter((each) => !known.has(each))) {
      known.set(id, Date.now());
      if (document.hidden && "Notification" in window && Notification.permission === "granted") {
        new Notification(desk.dataset.offered, { tag: id });
      }
    }
    document.title = ids.length ? `(${ids.length}) ${title}` : title;
    bell.ring(ids.length > 0);
    count();
  }

  setInterval(count, 500);
  document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => { if (target?.id === "offers") refresh(); });
  refresh();

  const button = (kind, early) => {
    const card = document.activeElement.closest("[data-offer]") ?? document.querySelector("[data-offer]");
    return card && Date.now() - known.get(card.dataset.offer) >= early ? card.querySelector(`[data-${kind}]`) : null;
  };
  return { accept: () => button("accept", TOO_SOON), decline: () => button("decline", TOO_SOON) };
}

// The conversation that is open beside the own ones.
function startOpen(desk, connect) {
  const toEnd = () => {
    const chat = byId("chat");
    if (chat) chat.scrollTop = chat.scrollHeight;
  };
  document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
    if (target?.id !== "desk-open") return;
    const open = document.querySelector("[data-open]")?.dataset.open;
    for (const line of all("[data-line]")) line.toggleAttribute("aria-current", line.dataset.line === open);
    desk.classList.remove("with-about");
    toEnd();
    const written = [accepted, answered].includes(open) && byId("answer-text");
    if (open !== answered) answered = undefined;
    (written || byId("talk-title"))?.focus({ preventScroll: true });
    connect();
  });
  // What was accepted here opens as soon as it is on the list, unless an answer to another customer is being typed. The
  // next thing to do is to answer.
  let accepted, answered;
  document.addEventListener("submit", ({ target }) => {
    if (target.querySelector("[data-accept]")) accepted = target.closest("[data-offer]").dataset.offer;
  });
  document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
    const line = () => document.querySelector(`[data-line="${accepted ?? answered}"]`);
    if (target?.id !== "list" || !accepted || !line()) return;
    [answered, accepted] = [accepted, undefined];
    const typed = document.activeElement?.closest("#answer") && document.activeElement.value;
    // htmx makes a link of the line only after this event; until then a click would load the whole page
    if (!typed) setTimeout(() => line()?.click());
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-about]")) desk.classList.toggle("with-about");
  });
  addEventListener("popstate", () => location.reload());
  toEnd();
}

// What had the focus has it again when its part of the page was replaced. If it is gone, the next thing to do has it.
function startFocus() {
  let lost = null;
  document.addEventListener("htmx:oobBeforeSwap", ({ detail: { target } }) => {
    if (target?.contains(document.activeElement)) lost = selectorOf(document.activeElement);
  });
  document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
    if (lost === null || document.activeElement !== document.body) return;
    const next = (lost && document.querySelector(lost)) || byId(target.id)?.querySelector(".go") || nextToDo();
    lost = null;
    next?.focus({ preventScroll: true });
  });
  // So it is after a dialog whose button is gone by the time that it closes.
  byId("dialog-box").addEventListener("close", () => {
    if (document.activeElement === document.body) nextToDo()?.focus({ preventScroll: true });
  });
}

// The own conversations are in the order of their ends, so the first is the next.
const nextToDo = () => byId("talk-title") ?? document.querySelector("#mine-title + ul [data-line]") ?? byId("mine-title");

function selectorOf(element) {
  if (element.id) return `#${element.id}`;
  if (element.dataset.line) return `[data-line="${element.dataset.line}"]`;
  const offer = element.closest("[data-offer]")?.dataset.offer;
  const does = ["accept", "decline"].find((each) => each in element.dataset);
  return offer && does ? `[data-offer="${offer}"] [data-${does}]` : "";
}

// Captured, so that an Escape that closes a menu declines nothing.
function startKeys(offers, lettersOff) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || byId("dialog-box").open || document.querySelector("details.menu[open]")) return;
    const typing = event.target.matches("input, textarea, select");
    const button = key(event, typing, offers, lettersOff());
    if (!button) return;
    event.preventDefault();
    event.stopPropagation();
    if (button.matches("textarea")) button.focus();
    else button.click();
  }, { capture: true });
}

// What a key presses, if anything. `off`: letters alone press nothing.
function key(event, typing, offers, off) {
  if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const lines = all("[data-line]");
    const here = lines.findIndex((line) => line.hasAttribute("aria-current"));
    const step = event.key === "ArrowDown" ? 1 : -1;
    return here < 0 ? lines[0] : lines[(here + step + lines.length) % lines.length];
  }
  if (event.altKey || event.ctrlKey || event.metaKey) return null;
  if (event.key === "Escape" && (!typing || event.target.closest(".offer"))) return offers.decline();
  if (typing) return null;
  if (event.key === "Enter" && !event.target.closest("a, button, summary")) return offers.accept();
  return off ? null : byId(LETTERS[event.key.toLowerCase()]);
}
