// What a page does besides being read: it stays current, counts down, opens dialogs, remembers what was ticked. Everything
// on it also works without this, a page at a time.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const skew = Date.parse(document.documentElement.dataset.now) - Date.now();
  const now = () => Date.now() + skew;

  // Times are shown in the browser's zone unless the person chose another.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;

  // Time left.
  function countDown() {
    for (const count of all("[data-ends]")) {
      const left = Math.max(0, Math.floor((Date.parse(count.dataset.ends) - now()) / 60000));
      const text = left ? `${Math.floor(left / 60)} h ${String(left % 60).padStart(2, "0")} min` : count.dataset.over;
      if (count.textContent !== text) count.textContent = text;
      count.classList.toggle("urgent", left < 60);
      const bar = count.parentElement.querySelector("progress");
      if (bar) bar.value = left;
    }
  }
  setInterval(countDown, 1000);

  // Live: the server tells what is no longer as this page has it. What is heard of nothing for long is asked again.
  const SILENCE = 30000;
  let source = null, heard = 0, tries = 0, again = 0;
  function show(alive) {
    const sign = $("live");
    if (!sign) return;
    sign.hidden = false;
    sign.classList.toggle("lost", !alive);
    sign.textContent = alive ? sign.dataset.live : sign.dataset.lost;
  }
  function alive() { heard = Date.now(); tries = 0; show(true); $("signed-out")?.remove(); }
  function told(content) {
    htmx.swap(document.body, content, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
  }
  function connect() {
    const listen = $("listen");
    if (!listen || !window.htmx) return;
    clearTimeout(again);
    source?.close();
    const from = new URL(listen.dataset.from, location);
    from.searchParams.set("seen", all("[data-seen]", $("list")).map((row) => row.dataset.seen).join(","));
    if (listen.dataset.newest) from.searchParams.set("newest", listen.dataset.newest);
    if (listen.dataset.total) from.searchParams.set("total", listen.dataset.total);
    const open = document.querySelector("#panel .drawer")?.dataset.open;
    if (open) from.searchParams.set("open", open);
    heard = Date.now();
    source = new EventSource(from);
    source.addEventListener("still", () => { alive(); askForResults(); });
    source.addEventListener("changed", (event) => { alive(); told(event.data); });
    source.addEventListener("open", (event) => { if (event.data !== undefined) { alive(); htmx.trigger(document.body, "live"); } });
    source.addEventListener("results", (event) => { alive(); Object.assign(answers, JSON.parse(event.data)); askForResults(); });
    source.onerror = lost;
  }
  // The stream begins anew with what this page has by now; whoever may not listen any more is told so, once.
  function lost() {
    show(false);
    source?.close();
    source = null;  // or its silence would put the next try off again and again
    clearTimeout(again);
    again = setTimeout(connect, Math.min(30000, 1000 * 2 ** tries++));
    fetch("/live/may", { headers: { "X-Live": "1", "HX-Request": "true", "HX-Target": "listen" } })
      .then((answer) => { if (answer.status === 401) say($("notices").dataset.signedOut, "signed-out"); })
      .catch(() => {});
  }
  setInterval(() => { if (source && Date.now() - heard > SILENCE) lost(); }, 5000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && Date.now() - heard > SILENCE / 2) connect(); });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  addEventListener("online", connect);

  // What the page waits for: a command or a batch says how many results it shows, the stream says how many there are.
  // A result may be heard before the answer that shows the notice is here, so it is remembered.
  const answers = {}, timed = new WeakSet();
  function askForResults() {
    for (const waiting of all("[data-request]")) {
      if ((answers[waiting.dataset.request] ?? 0) > Number(waiting.dataset.answered)) htmx.trigger(waiting, "result");
      if (timed.has(waiting)) continue;
      timed.add(waiting);
      const once = () => { if (waiting.isConnected) htmx.trigger(waiting, "result"); };
      if (waiting.matches(".notice")) setTimeout(once, 15500);  // then it says that there is no answer yet
      if (!$("listen")) setTimeout(once, 2000);  // no stream on this page
    }
  }
  document.addEventListener("htmx:afterRequest", askForResults);

  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, parameters, headers } = event.detail;
    if (elt.id !== "panel-look") return;
    headers["X-Live"] = "1";
    parameters.set("seen", elt.dataset.seen);
  });

  // Rows that are ticked, and what is done with them.
  function count() {
    const picked = $("picked"), every = $("pick-all");
    if (!picked) return;
    const boxes = all("input[name=pick]:not(:disabled)"), ticked = boxes.filter((box) => box.checked).length;
    const match = document.querySelector("#many input[name=all]");
    if (match && !ticked) match.checked = false;  // nothing is picked: so it does not mean everything
    picked.textContent = ticked === 1 ? picked.dataset.one : picked.dataset.many.replace("{n}", ticked);
    if (every) {
      every.checked = ticked > 0 && ticked === boxes.length;
      every.indeterminate = ticked > 0 && ticked < boxes.length;
    }
  }
  // The address holds what was chosen, and nothing else.
  $("bar")?.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (!value || (name === "order" && value === "newest")) event.formData.delete(name);
  });
  const ticked = new Set();
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.id === "pick-all") all("input[name=pick]:not(:disabled)").forEach((each) => { each.checked = box.checked; });
    count();
    if (!box.closest("#bar") || box.name === "q") return;
    chosen = box;
    if (!byKey) takeChoice(box.name);
  });
  // The bar is sent when a choice is made. Arrows walk through the choices: then leaving the field takes the last of
  // them, or Enter. Who chose is at the same place afterwards.
  let byKey = false, chosen = null;
  function takeChoice(next) {
    if (!chosen) return;
    sessionStorage.setItem("focus", next);
    chosen = null;
    $("bar").requestSubmit();
  }
  $("bar")?.addEventListener("pointerdown", () => { byKey = false; });
  $("bar")?.addEventListener("keydown", (event) => {
    byKey = true;
    if (event.key === "Enter" && event.target.matches("select, [type=radio]")) { event.preventDefault(); takeChoice(event.target.name); }
  });
  $("bar")?.addEventListener("focusout", (event) => {
    const next = event.relatedTarget?.name;
    if (next !== event.target.name) takeChoice(next || event.target.name);
  });
  const chose = sessionStorage.getItem("focus");
  if (chose && $("bar")) {
    sessionStorage.removeItem("focus");
    const fields = all(`[name="${CSS.escape(chose)}"]`, $("bar"));
    (fields.find((field) => field.checked) || fields[0])?.focus();
  }
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const box = event.detail.target.querySelector?.("input[name=pick]:checked");
    if (box) ticked.add(box.value);
  });
  document.addEventListener("htmx:oobAfterSwap", () => {
    for (const value of ticked) {
      const box = document.querySelector(`input[name=pick][value="${value}"]:not(:disabled)`);
      if (box) box.checked = true;
    }
    ticked.clear();
    count();
  });

  // Dialogs, the panel, notices. What lies outside an open dialog cannot be reached, so the notices go into it.
  const box = $("dialog-box");
  let opener = null;
  document.addEventListener("htmx:afterSwap", (event) => {
    const { target } = event.detail;
    if (!target) return;  // what the stream told
    if (target.id === "dialog") {
      const full = !!target.textContent.trim();
      if (full && !box.open) { opener = document.activeElement; box.append($("notices")); box.showModal(); }
      if (!full && box.open) box.close();
      (target.querySelector("[role=alert], [autofocus]") || target.querySelector("#dialog-title"))?.scrollIntoView?.({ block: "nearest" });
    }
    if (target.id === "panel") {
      document.body.classList.toggle("beside", !!target.querySelector(".drawer"));
      const title = target.querySelector("h2");
      if (title) title.focus({ preventScroll: true });
      toTheEnd();
      const open = target.querySelector(".drawer")?.dataset.open;
      all("#list tr").forEach((row) => row.classList.toggle("here", row.id === `row-${open}`));
      if (!title && opened) { $(opened)?.focus(); opened = null; }
      connect();
    }
    if (target.id === "bar" || target === document.body) start();
  });
  let opened = null;
  document.addEventListener("click", (event) => {
    const plus = event.target.closest(".plus");
    if (plus) opened = plus.id;
    if (event.target.closest("[data-close]") && box.open) { event.preventDefault(); box.close(); }
    const copy = event.target.closest("[data-copy]");
    if (copy) copied(copy);
    if (event.target.closest("[aria-disabled=true]")) event.preventDefault();
    const menu = event.target.closest("details.menu");
    all("details.menu[open]").forEach((each) => { if (each !== menu) each.open = false; });
    const fade = event.target.closest(".notice .away");
    if (fade) fade.closest(".notice").remove();
  });
  async function copied(button) {
    try { await navigator.clipboard.writeText(button.dataset.copy); }
    catch { getSelection().selectAllChildren(button.previousElementSibling); return; }  // plain http: it is marked, to be copied by hand
    button.textContent = $("notices").dataset.copied;
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || box.open || event.isComposing) return;
    const menu = document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
    if (!event.target.matches("input, textarea, select")) $("panel-close")?.click();  // what is typed stays
  });
  function toTheEnd() { const chat = $("chat"); if (chat) chat.scrollTop = chat.scrollHeight; }

  // A preview is an ordinary post into the frame; it is not htmx's to send.
  document.addEventListener("htmx:confirm", (event) => {
    const by = event.detail.triggeringEvent?.submitter;
    if (!by || !by.hasAttribute("data-plain")) return;
    event.preventDefault();
    const frame = document.querySelector(`iframe[name=${by.formTarget}]`), form = by.form;
    if (!form.reportValidity()) return;
    frame.hidden = false;
    const [action, target] = [form.action, form.target];
    Object.assign(form, { action: by.formAction, target: by.formTarget });
    HTMLFormElement.prototype.submit.call(form);
    Object.assign(form, { action, target });
    frame.focus();
  });

  // Notices leave by themselves once nothing can be undone any more, unless somebody is at them.
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) {
      if (node.nodeType !== 1) continue;
      const notice = node.matches(".notice") ? node : node.querySelector(".notice");
      if (!notice || notice.querySelector(".away")) continue;
      const away = document.createElement("button");
      away.type = "button"; away.className = "away"; away.textContent = "✕";
      away.setAttribute("aria-label", $("notices").dataset.dismiss);
      notice.append(away);
      if (!notice.hasAttribute("data-fades")) continue;
      const fade = () => { notice.matches(":hover, :focus-within") ? setTimeout(fade, 2000) : notice.remove(); };
      setTimeout(fade, 10000);
    }
  }).observe($("notices"), { childList: true });

  // When something goes wrong what was typed stays.
  function say(text, id = "no-answer") {
    if ($(id)) return;  // once is enough
    const notice = document.createElement("div");
    notice.id = id;
    notice.className = "notice refused";
    notice.textContent = text;
    $("notices").append(notice);
  }
  // An error page that is not ours (of a proxy, or sent while we were too busy) must not take the place of what is open.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status < 400 || xhr.getResponseHeader("X-Console")) { $("no-answer")?.remove(); return; }
    event.detail.shouldSwap = false;
    if (!event.detail.requestConfig.headers["X-Live"]) say($("notices").dataset.noAnswer);
  });
  document.addEventListener("htmx:sendError", (event) => { if (!event.detail.requestConfig.headers["X-Live"]) say($("notices").dataset.noAnswer); });
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    const fresh = xhr.getResponseHeader("X-Form-Token");
    if (fresh) { all("input[name=csrf]").forEach((field) => { field.value = fresh; }); say($("notices").dataset.again, "too-old"); }
  });

  function start() { countDown(); count(); toTheEnd(); document.body.classList.toggle("beside", !!document.querySelector("#panel .drawer")); connect(); askForResults(); }
  box.addEventListener("close", () => { $("dialog").replaceChildren(); document.body.append($("notices")); if (opener?.isConnected) opener.focus(); opener = null; });
  start();
})();
