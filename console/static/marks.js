// What a search found is marked in the rows and in the open conversation, as far as it is in sight. The marks are
// highlights of the browser: they change nothing in the page, which is updated while it is open.
import { all, byId } from "./dom.js";

const NAME = "found";
const LIST = "#list .who, #list .text, #panel-head > div", CHAT = "#chat .msg > :is(p, blockquote)";
const PHONE = /^[-+0-9 ()./\u2010-\u2015\u00a0]+$/, FEWEST_DIGITS = 4;
const WITHOUT_BLANKS = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]/;

export function startMarks() {
  if (!CSS.highlights) return { seek() {} };
  const listed = wanted(byId("bar")?.querySelector("[name=q]")?.defaultValue ?? "");
  let sought = wanted(""), planned = 0;
  const mark = () => {
    planned = 0;
    const inList = rangesOf(LIST, listed), inChat = [listed, sought].flatMap((each) => rangesOf(CHAT, each));
    CSS.highlights.set(NAME, new Highlight(...inList, ...inChat));
  };
  const plan = () => { planned ||= requestAnimationFrame(mark); };
  document.addEventListener("htmx:afterSwap", plan);
  document.addEventListener("htmx:oobAfterSwap", plan);
  mark();
  // Marks other words in the open conversation as well.
  const seek = (text) => {
    sought = wanted(text);
    plan();
  };
  return { seek };
}

// What somebody searches, as it is compared.
function wanted(typed) {
  return {
    words: folded(typed).split(/[^\p{L}\p{N}]+/u).filter(Boolean),
    digits: PHONE.test(typed.trim()) ? typed.replace(/\D/g, "").replace(/^0+/, "") : "",
  };
}

const rangesOf = (places, { words, digits }) => words.length
  ? all(places).flatMap((place) => textsOf(place)).flatMap((text) => rangesIn(text, words, digits)) : [];

const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function textsOf(place) {
  const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
}

function rangesIn(node, words, digits) {
  const whole = projection(node.data, folded), numbers = projection(node.data, (sign) => sign.replace(/\D/g, ""));
  const found = words.flatMap((word) => places(whole.text, word)
    .filter((at) => WITHOUT_BLANKS.test(word) || !/[\p{L}\p{N}]/u.test(whole.text[at - 1] ?? ""))
    .map((at) => rangeOf(node, whole.from, at, word.length)));
  if (digits.length < FEWEST_DIGITS) return found;
  return [...found, ...places(numbers.text, digits).map((at) => rangeOf(node, numbers.from, at, digits.length))];
}

// The text as it is compared, and from where in the original each of its characters is.
function projection(original, change) {
  let text = "";
  const from = [];
  for (let at = 0; at < original.length;) {
    const sign = String.fromCodePoint(original.codePointAt(at)), changed = change(sign);
    for (let n = 0; n < changed.length; n++) from.push([at, at + sign.length]);
    text += changed;
    at += sign.length;
  }
  return { text, from };
}

function places(text, wanted) {
  const found = [];
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) found.push(at);
  return found;
}

function rangeOf(node, from, at, length) {
  const [start, end] = [from[at][0], from[at + length - 1][1]];
  return new StaticRange({ startContainer: node, startOffset: start, endContainer: node, endOffset: end });
}
