// The PCs: what they have, how they are, and how another one joins.

import { attempt, tell } from "./actions.js";
import { get } from "./api.js";
import { callText, cautionText } from "./codes.js";
import { element, fill } from "./dom.js";
import { language, moment, number, say } from "./words.js";

const EVERY_MS = 5000;

/** Everything the service tells of each PC, by name. */
async function pcs() {
  const paths = ["/health/system", "/health/ollama", "/health/models", "/api/cluster/nodes"];
  const lists = await Promise.all(paths.map((path) => get(path)));
  const all = new Map();
  for (const { nodes } of lists) {
    for (const node of nodes) all.set(node.name, { ...all.get(node.name), ...node });
  }
  return [...all.values()];
}

/** A card for each PC in `box`. Raises what `get` raises. */
export async function pcCards(box) {
  const found = await pcs();
  fill(box, found.map(card));
}

function card(pc) {
  const used = (use) => use
    ? [meter(use.percent, say("of", bytes(use.used), bytes(use.total))), say("of", bytes(use.used), bytes(use.total))]
    : [say("notKnown")];
  const facts = [
    ["cpu", pc.cpu_percent === null || pc.cpu_percent === undefined ? [say("notKnown")] : [meter(pc.cpu_percent, `${number(pc.cpu_percent)} %`), `${number(pc.cpu_percent)} %`]],
    ["memory", used(pc.memory)],
    ["disk", used(pc.disk)],
    ...power(pc.energy),
    ["onDisk", [names(pc.models, "size")]],
    ["inMemory", [names(pc.loaded, "size")]],
    ...(pc.agents && pc.max_models ? [["slots", [say("slotsText", pc.agents.length, pc.max_models)]]] : []),
    ["callsNow", [String(pc.calls ?? 0)]],
  ];
  const well = pc.connected && !pc.breaker_open;
  const state = well ? say(pc.state || "serving") : say(pc.connected ? "breakerOpen" : "unreachable");
  return element("article", { class: "card pc", "aria-label": pc.name },
    element("header", {}, element("h3", {}, pc.name), element("span", { class: "tag" }, say(pc.role)),
      element("span", { class: `state ${well && pc.state !== "drained" ? "done" : "absent"}` }, state)),
    element("dl", {}, facts.flatMap(([word, told]) => [element("dt", {}, say(word)), element("dd", {}, told)])),
    pc.error ? element("p", { class: "wrong" }, callText(pc.error_code, pc.error)) : null,
    (pc.warnings || []).map((warning, at) => element("p", { class: "caution" }, cautionText(pc.cautions?.[at], warning))));
}

/** Only where the PC tells it. */
function power(energy) {
  if (!energy) return [];
  const watts = energy.watts === null ? "–" : number(energy.watts, 1);
  return [["power", [say("powerText", watts, number(energy.joules / 3600, 1), moment(energy.since))]]];
}

function meter(percent, label) {
  const made = element("meter", { min: 0, max: 100, high: 85, optimum: 0, "aria-label": label });
  made.value = percent;
  return made;
}

function bytes(count) {
  const units = ["", "k", "M", "G", "T"].map((prefix) => prefix + (language() === "fr" ? "o" : "B"));
  const step = count > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(count) / 3)) : 0;
  return `${number(count / 1000 ** step, step > 2 ? 1 : 0)} ${units[step]}`;
}

function names(models) {
  if (!models || !models.length) return say("noModels");
  return element("ul", { class: "names" }, models.map((model) =>
    element("li", {}, model.name, model.size ? element("small", {}, ` ${bytes(model.size)}`) : null)));
}

/** The PCs, asked again every few seconds as long as somebody looks. */
export function clusterView(box, { facts }) {
  const cards = element("div", { class: "cards wide" }, element("p", { class: "quiet" }, say("loading")));
  const wrong = element("p", { class: "wrong", role: "alert" });
  let timer = 0;
  let left = false;
  fill(box, element("h1", {}, say("cluster")), wrong, element("h2", { class: "unseen" }, say("pcs")), cards, joining(facts), dashboard(facts.dashboard_url));

  async function look() {
    if (!document.hidden) {
      await pcCards(cards).then(() => { wrong.textContent = ""; }, (error) => {
        wrong.textContent = error.message;
        if (!cards.querySelector(".card")) fill(cards);
      });
    }
    if (!left) timer = setTimeout(look, EVERY_MS);
  }
  look();
  return { leave: () => { left = true; clearTimeout(timer); } };
}

/** What to type. The token is a secret that this page does not have: the line asks for it. */
function joining(facts) {
  const here = location.port && location.port !== "8000" ? `${location.hostname}:${location.port}` : location.hostname;
  const open = facts.join_line || `./council join ${here} --token -`;
  const line = facts.locked ? open : "./council down && ./council up --lan";
  const copy = element("button", { type: "button", on: { click: () => attempt(() => copied(line)) } }, say("copy"));
  return element("section", { "aria-labelledby": "join" }, element("h2", { id: "join" }, say("joinTitle")),
    element("p", {}, say(facts.locked ? "joinOpen" : "joinClosed")),
    element("div", { class: "to-type" }, element("pre", { tabindex: 0 }, line), navigator.clipboard ? copy : null),
    facts.locked ? element("p", { class: "quiet" }, say("joinToken")) : null);
}

/** Browsers have a clipboard only over https and on PC1 itself; elsewhere a click selects the line. */
async function copied(line) {
  await navigator.clipboard.writeText(line);
  tell(say("copied"));
}

function dashboard(address) {
  if (!address || !/^https?:/.test(address)) return null;
  return element("p", {}, element("a", { href: address, target: "_blank", rel: "noopener" }, say("dashboard")), ` ${say("onlyPc1")}`);
}
