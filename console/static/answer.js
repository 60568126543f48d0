// The box in which an answer is written: what it replies to, and which message of the customer was seen last.
import { byId } from "./dom.js";

export function startAnswer() {
  const box = () => byId("answer");
  const text = () => box()?.querySelector("textarea");

  document.addEventListener("click", (event) => {
    const reply = event.target.closest("[data-reply]");
    if (reply && text() && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      quote(reply.dataset.reply, reply.closest(".msg").querySelector(":scope > p:not(.origin), .media")?.textContent);
    }
    if (event.target.closest("[data-no-reply]")) quote("");
  });

  function quote(wamid, said) {
    const line = box().querySelector(".quoted");
    box().querySelector("[name=reply_to]").value = wamid;
    line.hidden = !wamid;
    if (said) line.querySelector("span").textContent = said;
    text().focus();
  }

  // Ctrl+Enter sends.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target !== text()) return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });

  // The server knows by the mode whether the page needs another box.
  document.addEventListener("htmx:configRequest", ({ detail: { elt, parameters } }) => {
    if (elt.matches("#panel-look, #desk-look") && box()) parameters.set("box", box().dataset.mode);
  });

  // What arrives while somebody writes may go unnoticed, so then the server says it when they send.
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target?.id === "expected-last" && text()?.value) event.detail.shouldSwap = false;
  });
}
