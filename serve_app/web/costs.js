// What a session cost: tokens by stage and model, and where the time went.

import { tokenBars, waterfall } from "./charts.js";
import { element, fill, table } from "./dom.js";
import { day, money, number, say } from "./words.js";

const STAGES = [
  ["stage1_opinions", "opinions"], ["stage2_review", "review"], ["revision", "revision"], ["stage3_synthesis", "synthesis"], ["guard", "guard"],
];

/** What the cheapest and the dearest model of the price table would have taken for these tokens. */
function cloud(cost) {
  if (!cost) return null;
  const told = [...cost.models].sort((one, other) => one.total - other.total).map((model) => `${money(model.total, cost.currency)} (${model.name})`);
  const ends = told.length > 1 ? say("cloudRange", told[0], told.at(-1)) : told[0];
  return element("p", { class: "quiet" }, say("cloudCost", ends, day(cost.as_of)));
}

/** What the session used of the PCs, where all of them tell. */
function used(joules) {
  if (joules === null || joules === undefined) return null;
  return element("p", { class: "quiet" }, say("energyUsed", number(joules), number(joules / 3600, joules < 3600 ? 4 : 1)));
}

/** Shows them in `box`; `session` as the HTTP interface gives it. */
export function showCosts(box, session, hearing) {
  const usage = session.token_usage;
  const rows = STAGES.filter(([name]) => usage[name]).flatMap(([name, word]) =>
    Object.entries(usage[name].by_model).map(([model, tokens]) => [say(word), model, tokens.prompt_tokens, tokens.completion_tokens]));
  box.hidden = rows.length === 0;
  if (box.hidden) return;
  const head = ["stage", "model", "prompt", "completion", "total"].map((word) => say(word));
  const total = [say("total"), say("all"), usage.total_prompt_tokens, usage.total_completion_tokens];
  const cells = ([stage, model, prompt, completion]) => [stage, model, number(prompt), number(completion), number(prompt + completion)];
  fill(box, element("h2", {}, say("costs")), tokenBars(rows, usage.total_tokens),
    element("details", {}, element("summary", {}, say("tokensTable")), table(say("tokensTable"), head, [...rows, total].map(cells), "numbers tokens")),
    cloud(session.cloud_cost), used(session.joules), waterfall(hearing));
}
