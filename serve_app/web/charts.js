// What a session cost, drawn: tokens by stage and model, and a line of time for each model call.

import { element, shape, table } from "./dom.js";
import { nameOf, CHAIRMAN } from "./hearing.js";
import { number, say, seconds } from "./words.js";

const PARTS = [["queue_ms", "queued"], ["network_ms", "network"], ["load_ms", "load"], ["prompt_ms", "promptTime"], ["generate_ms", "generate"]];
const WIDTH = 800;
const LABEL = 210;
const LABEL_LETTERS = 32;
const ROW = 24;
const BAR = 14;
const AXIS = 26;

/** Tokens, a bar for each of `rows` = [stage, model, prompt tokens, completion tokens]. */
export function tokenBars(rows, total) {
  const most = Math.max(1, ...rows.map(([, , prompt, completion]) => prompt + completion));
  const x = (tokens) => (tokens / most) * (WIDTH - LABEL - 90);
  const first = rows.reduce((a, b) => (b[2] + b[3] > a[2] + a[3] ? b : a));
  const told = say("tokensText", number(total), first[0], first[1], number(first[2] + first[3]));
  const line = ([stage, model, prompt, completion], row) => shape("g", {},
    shape("text", { x: 0, y: row * ROW + ROW / 2 + 4 }, short(`${stage} · ${model}`, LABEL_LETTERS)),
    shape("rect", { x: LABEL, y: row * ROW + (ROW - BAR) / 2, width: x(prompt), height: BAR, class: "prompt_ms" }),
    shape("rect", { x: LABEL + x(prompt), y: row * ROW + (ROW - BAR) / 2, width: x(completion), height: BAR, class: "generate_ms" }),
    shape("text", { x: LABEL + x(prompt + completion) + 8, y: row * ROW + ROW / 2 + 4 }, number(prompt + completion)));
  return element("figure", { class: "chart" },
    element("figcaption", {}, element("strong", {}, say("tokensTitle")), " ", element("span", {}, told)),
    legend([["prompt_ms", "prompt"], ["generate_ms", "completion"]]),
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("tokensTitle") },
      shape("svg", { viewBox: `0 0 ${WIDTH} ${rows.length * ROW}`, role: "img", "aria-label": told, class: "drawing" }, rows.map(line))));
}

function legend(parts) {
  return element("ul", { class: "legend", "aria-hidden": "true" }, parts.map(([name, word]) =>
    element("li", {}, shape("svg", { width: 12, height: 12 }, shape("rect", { width: 12, height: 12, class: name })), say(word))));
}

/** A figure with its legend, a sentence that says the same, and a table. */
export function waterfall(hearing) {
  const calls = hearing.calls.map((call) => lineOf(hearing, call)).sort((a, b) => a.begin - b.begin);
  if (!calls.length) return null;
  const end = Math.max(1, ...calls.map((call) => call.begin + call.length));
  const longest = calls.reduce((a, b) => (b.length > a.length ? b : a));
  const told = say("waterfallText", calls.length, seconds(end), longest.who, say(longest.stage), seconds(longest.length));
  return element("figure", { class: "chart" },
    element("figcaption", {}, element("strong", {}, say("waterfall")), " ", element("span", {}, told)),
    legend(PARTS),
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("waterfall") }, drawing(calls, end, told)),
    element("details", {}, element("summary", {}, say("waterfallTable")), asTable(calls)));
}

function lineOf(hearing, call) {
  const who = call.id === CHAIRMAN ? say("chairman") : nameOf(hearing, call.id);
  const parts = PARTS.map(([name]) => call.timing[name]);
  return { who, stage: call.stage, begin: Math.max(0, call.startedAt - hearing.startedAt), parts, length: parts.reduce((a, b) => a + b, 0) };
}

function drawing(calls, end, told) {
  const height = calls.length * ROW + AXIS;
  const x = (ms) => LABEL + (ms / end) * (WIDTH - LABEL - 10);
  return shape("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": told, class: "drawing waterfall" },
    axis(end, x, height), calls.map((call, row) => bar(call, row * ROW, x)));
}

function axis(end, x, height) {
  const step = niceStep(end);
  const marks = Array.from({ length: Math.floor(end / step) + 1 }, (_, at) => at * step);
  return shape("g", { class: "axis" }, marks.map((ms) => [
    shape("line", { x1: x(ms), x2: x(ms), y1: 0, y2: height - AXIS + 4 }),
    shape("text", { x: x(ms), y: height - 6, "text-anchor": x(ms) > WIDTH - 40 ? "end" : "middle" }, seconds(ms)),
  ]));
}

/** 1, 2 or 5 times a power of ten, so that there are at most six marks. */
function niceStep(end) {
  const rough = end / 6;
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step >= rough);
}

function bar(call, y, x) {
  let at = call.begin;
  const pieces = PARTS.map(([name, word], index) => {
    const from = at;
    at += call.parts[index];
    return call.parts[index] > 0
      ? shape("rect", { x: x(from), y: y + (ROW - BAR) / 2, width: Math.max(1, x(at) - x(from)), height: BAR, class: name },
        shape("title", {}, `${call.who}, ${say(call.stage)}: ${say(word)} ${seconds(call.parts[index])}`))
      : null;
  });
  return shape("g", {}, shape("text", { x: 0, y: y + ROW / 2 + 4 }, `${short(call.who, LABEL_LETTERS - 3 - say(call.stage).length)} · ${say(call.stage)}`), pieces);
}

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function asTable(calls) {
  const head = [say("seat"), say("stage"), say("start"), ...PARTS.map(([, word]) => say(word)), say("total")];
  const rows = calls.map((call) => [call.who, say(call.stage), number(call.begin), ...call.parts.map((ms) => number(ms)), number(call.length)]);
  return table(say("waterfallTable"), head, rows, "numbers");
}
