// The stream of server-sent events that keeps an open list up to date, and the results of commands that arrive on it.
import { all, byId } from "./dom.js";

const SILENCE = 30000;  // milliseconds without any event after which the stream counts as lost
const LATE = 15500;  // by then a notice without a result says so
const AFTER_END = 1500;  // a countdown shows less than a second as nothing left
const WITHOUT_STREAM = 2000;  // when a page that has no stream asks for a result, once

export function startLive({ showError }) {
  const results = startResults();
  startLooks();
  let source = null, lastEvent = 0, retries = 0, retry = 0;

  function showState(connected) {
    const sign = byId("live");
    if (!sign) return;
    sign.hidden = false;
    sign.classList.toggle("lost", !connected);
    sign.textContent = connected ? sign.dataset.live : sign.dataset.lost;
  }

  function received() {
    lastEvent = Date.now();
    retries = 0;
    showState(true);
    byId("signed-out")?.remove();
    document.dispatchEvent(new Event("stream-alive"));
  }

  // Tells the server what the page shows, so that the server can send whatever differs from it now or later.
  function connect() {
    const list = byId("listen");
    if (!list || !window.htmx) return;
    clearTimeout(retry);
    source?.close();
    const address = new URL(list.dataset.from, location);
    const rows = all("#list [data-seen]").map((row) => row.dataset.seen);
    address.searchParams.set("seen", rows.join(","));
    if (list.dataset.newest) address.searchParams.set("newest", list.dataset.newest);
    if (list.dataset.total) address.searchParams.set("total", list.dataset.total);
    const open = document.querySelector("[data-open]")?.dataset.open;
    if (open) address.searchParams.set("open", open);
    lastEvent = Date.now();
    source = new EventSource(address);
    source.addEventListener("still", () => { received(); results.request(); });
    source.addEventListener("changed", (event) => {
      received();
      const row = document.activeElement.closest("#list tbody tr")?.id;
      htmx.swap(document.body, event.data, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
      // what had the focus may not be in the new row: nobody starts again at the top of the page for that
      const isLost = row && document.activeElement === document.body;
      if (isLost) byId(row)?.querySelector(".plus")?.focus({ preventScroll: true });
      htmx.trigger(document.body, "rows");
      const active = byId("counts")?.dataset.active;
      if (active) document.title = document.title.replace(/\(\d+\)/, `(${active})`);
    });
    source.addEventListener("open", (event) => {
      if (event.data === undefined) return;  // the EventSource's own event: the connection was opened
      received();
      htmx.trigger(document.body, "live");
    });
    source.addEventListener("dialogs", () => { received(); htmx.trigger(document.body, "dialogs"); });
    source.addEventListener("results", (event) => { received(); results.add(JSON.parse(event.data)); });
    source.onerror = lost;
  }

  function lost() {
    showState(false);
    source?.close();
    source = null;  // otherwise the check for silence would postpone the next attempt again and again
    clearTimeout(retry);
    retry = setTimeout(connect, Math.min(30000, 1000 * 2 ** retries++));
    // An EventSource does not tell the status of an error: ask whether the session has ended.
    fetch("/live/may", { headers: { "X-Live": "1", "HX-Request": "true", "HX-Target": "listen" } })
      .then((answer) => { if (answer.status === 401) showError("signedOut", "signed-out"); })
      .catch(() => {});
  }

  setInterval(() => { if (source && Date.now() - lastEvent > SILENCE) lost(); }, 5000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() - lastEvent > SILENCE / 2) connect();
  });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  addEventListener("online", connect);
  addEventListener("offline", lost);  // a stream that was open may go on for a while, without anything new
  document.addEventListener("window-over", () => setTimeout(() => htmx.trigger(document.body, "live"), AFTER_END));
  connect();
  return { connect };
}

// What changed of the open conversation is asked for by an element beside it. The answer replaces parts of the page by
// their ids, the element among them. So the answer must not arrive once another conversation is open: its parts would
// stand under the other customer's name. What changes while an answer is under way is asked for afterwards: by htmx, or
// here if the element was replaced.
function startLooks() {
  const LOOKS = "#panel-look, #desk-look";
  let look = null, again = false;

  document.addEventListener("htmx:configRequest", ({ detail: { elt, parameters, headers } }) => {
    if (!elt.matches(LOOKS)) return;
    headers["X-Live"] = "1";
    parameters.set("seen", elt.dataset.seen);
  });
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt, xhr } }) => {
    if (!elt.matches(LOOKS)) return;
    look = { elt, xhr };
    again = false;
  });
  document.addEventListener("live", () => { again = true; }, true);  // before htmx asks
  document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
    if (xhr !== look?.xhr) return;
    const isReplaced = !look.elt.isConnected;
    look = null;
    if (again && isReplaced) htmx.trigger(document.body, "live");
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (!look || look.elt.isConnected || look.xhr.readyState === XMLHttpRequest.DONE) return;
    look.xhr.abort();
    look = null;
    htmx.trigger(document.body, "live");
  });
}

// A notice or a bulk dialog says how many results it shows (data-answered) of which command or batch (data-request). The
// stream says how many there are. Where it has more, the element asks for itself once. A result may arrive before the
// element that waits for it, so all numbers are remembered.
function startResults() {
  const answered = {};
  const timed = new WeakSet();

  function request() {
    for (const element of all("[data-request]")) {
      const { request: id, answered: shown } = element.dataset;
      if ((answered[id] ?? 0) > Number(shown)) htmx.trigger(element, "result");
      if (timed.has(element)) continue;
      timed.add(element);
      const once = () => { if (element.isConnected) htmx.trigger(element, "result"); };
      if (element.matches(".notice")) setTimeout(once, LATE);
      if (!byId("listen")) setTimeout(once, WITHOUT_STREAM);
    }
  }

  document.addEventListener("htmx:afterRequest", request);
  request();
  return { request, add: (numbers) => { Object.assign(answered, numbers); request(); } };
}
