// The time left of each conversation's window, counted down on the server's clock.
import { all } from "./dom.js";

const URGENT_SECONDS = 3600, SOON_SECONDS = 4 * 3600;

export function startCountdown() {
  const page = document.documentElement.dataset;
  const skew = Date.parse(page.now) - Date.now();
  const refresh = () => {
    for (const element of all("[data-ends]")) show(element, Date.now() + skew, page);
  };
  setInterval(refresh, 1000);
  refresh();
}

// The patterns are the translated texts with {hours} and {minutes}, and for the last minute {seconds}.
function show(element, now, { timeLeft, secondsLeft }) {
  const left = Math.max(0, Math.floor((Date.parse(element.dataset.ends) - now) / 1000));
  const text = left ? leftAs(left, timeLeft, secondsLeft) : element.dataset.over;
  if (element.textContent !== text) {
    element.textContent = text;
    if (!left) document.dispatchEvent(new Event("window-over"));
  }
  element.classList.toggle("urgent", left < URGENT_SECONDS);
  element.classList.toggle("soon", left >= URGENT_SECONDS && left < SOON_SECONDS);
  const bar = element.parentElement.querySelector("progress");
  if (bar) bar.value = Math.floor(left / 60);
}

function leftAs(seconds, timeLeft, secondsLeft) {
  if (seconds < 60) return secondsLeft.replace("{seconds}", seconds);
  const minutes = Math.floor(seconds / 60);
  return timeLeft
    .replace("{hours}", Math.floor(minutes / 60))
    .replace("{minutes}", String(minutes % 60).padStart(2, "0"));
}
