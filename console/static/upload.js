// A file with recipients is sent in chunks, with progress, so it may be large and can be stopped.
import { byId } from "./dom.js";

const TRIES = 4;  // of one chunk, some seconds apart
const PAUSE = 1000;

export function startUpload({ showError }) {
  let sending = null;

  document.addEventListener("change", ({ target }) => {
    if (target.matches("#upload input[type=file]") && target.files.length) send(target.form, target.files[0]);
  });
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-stop]")) sending?.abort();
  });
  document.addEventListener("dragover", (event) => { if (byId("upload")) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    const form = byId("upload");
    if (!form) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) send(form, event.dataTransfer.files[0]);
  });

  async function send(form, file) {
    const { chunk, most, tooLarge, empty, refused } = form.dataset;
    const said = form.querySelector("[role=alert]");
    said.hidden = 0 < file.size && file.size <= Number(most);
    if (!said.hidden) {
      said.textContent = file.size ? tooLarge : empty;
      form.querySelector("input[type=file]").value = "";
      return;
    }
    sending?.abort();
    const mine = sending = new AbortController();
    const progress = form.querySelector("progress"), box = form.querySelector(".sending");
    box.hidden = false;
    progress.value = 0;
    const address = `${form.action}/${crypto.randomUUID?.() ?? randomId()}`;
    const fields = new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string"));
    try {
      for (let number = 0, start = 0; start < file.size; number += 1, start += Number(chunk)) {
        const part = await file.slice(start, start + Number(chunk)).arrayBuffer();
        const headers = { "Content-Type": "application/octet-stream", "X-Form-Token": fields.get("csrf") };
        const name = number ? "" : `?name=${encodeURIComponent(file.name)}`;
        await post(`${address}/${number}${name}`, part, headers, mine.signal);
        progress.value = Math.min(1, (start + Number(chunk)) / file.size);
      }
      fields.set("size", file.size);
      const answer = await post(address, fields, {}, mine.signal);
      location.assign((await answer.json()).next);
    } catch (error) {
      if (sending !== mine) return;  // another file was chosen meanwhile, and the progress is that one's
      box.hidden = true;
      form.querySelector("input[type=file]").value = "";
      if (mine.signal.aborted) return;
      if (error.status === 401) showError("signedOut", "signed-out");
      else {
        said.textContent = refused;
        said.hidden = false;
      }
    }
  }
}

// A chunk that was lost is sent again: it has its number, so twice is once.
async function post(address, body, headers, signal) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetch(address, { method: "POST", body, headers, signal }).catch((error) => {
      if (signal.aborted) throw error;
      return null;
    });
    if (answer?.ok) return answer;
    if (attempt === TRIES || (answer && answer.status < 500)) throw Object.assign(new Error(), { status: answer?.status });
    await new Promise((done) => setTimeout(done, PAUSE * attempt));
  }
}

// On pages without https there is no randomUUID.
function randomId() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}
