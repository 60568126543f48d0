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

  // Live: a hint arrives, the page looks again. Never faster than the server asks for; one more look afterwards.
  let pace = 1000, looked = 0, due = 0, source = null, tries = 0;
  function look() {
    clearTimeout(due);
    due = setTimeout(() => {
      looked = Date.now();
      if (!document.hidden && $("look") && window.htmx) htmx.trigger(document.body, "live");
    }, Math.max(Math.random() * 100, looked + pace - Date.now()));
  }
  function show(alive) {
    const sign = $("live");
    if (!sign) return;
    sign.hidden = false;
    sign.classList.toggle("lost", !alive);
    sign.textContent = alive ? sign.dataset.live : sign.dataset.lost;
  }
  function connect() {
    if (!$("look")) return;
    if (source) source.close();
    source = new EventSource("/live");
    source.addEventListener("changed", (event) => { tries = 0; pace = Number(event.data); show(true); look(); });
    source.onerror = () => {
      show(false);
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, Math.min(30000, 1000 * 2 ** tries++));
    };
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  addEventListener("online", connect);

  // What the server needs to tell what has changed since.
  document.addEventListener("htmx:configRequest", (event) => {
    const { elt, parameters, headers } = event.detail;
    if (elt.id === "look") {
      headers["X-Live"] = "1";
      parameters.set("seen", all("[data-seen]", $("list")).map((row) => row.dataset.seen).join(","));
      if (elt.dataset.newest) parameters.set("newest", elt.dataset.newest);
      if (elt.dataset.total) parameters.set("total", elt.dataset.total);
    }
    if (elt.id === "panel-look") {
      headers["X-Live"] = "1";
      parameters.set("seen", elt.dataset.seen);
    }
  });

  // Rows that are ticked, and what is done with them.
  function count() {
    const picked = $("picked"), every = $("pick-all");
    if (!picked) return;
    const boxes = all("input[name=pick]:not(:disabled)"), ticked = boxes.filter((box) => box.checked).length;
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
    if (box.closest("#bar") && box.name !== "q") $("bar").requestSubmit();
  });
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

  // Dialogs, the panel, notices.
  let opener = null;
  document.addEventListener("htmx:afterSwap", (event) => {
    const { target } = event.detail;
    if (target.id === "dialog") {
      if (target.textContent.trim() && !target.open) { opener = document.activeElement; target.showModal(); }
      if (!target.textContent.trim() && target.open) target.close();
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
    }
    if (target.id === "bar" || target === document.body) start();
  });
  let opened = null;
  document.addEventListener("click", (event) => {
    const plus = event.target.closest(".plus");
    if (plus) opened = plus.id;
    if (event.target.closest("[data-close]") && $("dialog").open) { event.preventDefault(); $("dialog").close(); }
    const copy = event.target.closest("[data-copy]");
    if (copy) navigator.clipboard.writeText(copy.dataset.copy).then(() => { copy.textContent = $("notices").dataset.copied; });
    if (event.target.closest("[aria-disabled=true]")) event.preventDefault();
    const menu = event.target.closest("details.menu");
    all("details.menu[open]").forEach((each) => { if (each !== menu) each.open = false; });
    const fade = event.target.closest(".notice .away");
    if (fade) fade.closest(".notice").remove();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || $("dialog").open) return;
    const menu = document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); return; }
    $("panel-close")?.click();
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
      away.setAttribute("aria-label", $("notices").dataset.close);
      notice.append(away);
      if (!notice.hasAttribute("data-fades")) continue;
      const fade = () => { notice.matches(":hover, :focus-within") ? setTimeout(fade, 2000) : notice.remove(); };
      setTimeout(fade, 10000);
    }
  }).observe($("notices"), { childList: true });

  // When something goes wrong what was typed stays.
  function say(text) {
    const notice = document.createElement("div");
    notice.className = "notice refused";
    notice.textContent = text;
    $("notices").append(notice);
  }
  document.addEventListener("htmx:sendError", (event) => { if (!event.detail.requestConfig.headers["X-Live"]) say($("notices").dataset.noAnswer); else show(false); });
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr, requestConfig } = event.detail;
    const fresh = xhr.getResponseHeader("X-Form-Token");
    if (fresh) { all("input[name=csrf]").forEach((field) => { field.value = fresh; }); say($("notices").dataset.again); }
    if (xhr.status === 401 && requestConfig.headers["X-Live"] && source) source.close();
  });

  function start() { countDown(); count(); toTheEnd(); document.body.classList.toggle("beside", !!document.querySelector("#panel .drawer")); connect(); }
  $("dialog").addEventListener("close", () => { $("dialog").replaceChildren(); if (opener?.isConnected) opener.focus(); opener = null; });
  start();
})();
