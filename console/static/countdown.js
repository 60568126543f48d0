// The time left of each conversation's window, counted down on the server's clock.
import { all } from "./dom.js";

const URGENT_MINUTES = 60;

export function startCountdown() {
  const page = document.documentElement.dataset;
  const skew = Date.parse(page.now) - Date.now();
  const refresh = () => {
    for (const element of all("[data-ends]")) show(element, Date.now() + skew, page.timeLeft);
  };
  setInterval(refresh, 1000);
  refresh();
}

// `pattern` is the translated text with {hours} and {minutes}.
function show(element, now, pattern) {
  const left = Math.max(0, Math.floor((Date.parse(element.dataset.ends) - now) / 60000));
  const minutes = String(left % 60).padStart(2, "0");
  const text = left
    ? pattern.replace("{hours}", Math.floor(left / 60)).replace("{minutes}", minutes)
    : element.dataset.over;
  if (element.textContent !== text) element.textContent = text;
  element.classList.toggle("urgent", left < URGENT_MINUTES);
  const bar = element.parentElement.querySelector("progress");
  if (bar) bar.value = left;
}
