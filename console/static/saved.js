// Answers that are being written are kept on the server too, where no closed page or broken computer loses them.
const PAUSE = 800;  // milliseconds without a key

export function startSaving({ noteKnown }) {
  let form = null, timer = 0;

  async function save() {
    clearTimeout(timer);
    if (!form) return;
    const saved = form, text = form.elements.text.value;
    const body = new URLSearchParams({ csrf: form.elements.csrf.value, text });
    const of = form.dataset.draft.split("/").at(-2);  // its address names the conversation
    form = null;
    noteKnown(of, text, false);
    const answer = await fetch(saved.dataset.draft, { method: "POST", body, keepalive: true }).catch(() => null);
    if (!answer?.ok) return;
    noteKnown(of, text, true);
    const sign = saved.querySelector(".saved");
    if (sign) sign.textContent = sign.dataset.saved;
  }

  document.addEventListener("input", ({ target }) => {
    if (!target.matches?.("form.answer textarea")) return;
    form = target.form;
    form.querySelector(".saved").textContent = "";
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE);
  });
  // What is being sent is no draft, unless the server says so.
  document.addEventListener("htmx:beforeRequest", ({ detail: { elt } }) => {
    if (elt === form) form = null;
    else save();
  });
  document.addEventListener("visibilitychange", save);
  addEventListener("pagehide", save);
}
