// What a session cost: tokens by stage and model, and where the time went.

import { waterfall } from "./charts.js";
import { element, fill, table } from "./dom.js";
import { number, say } from "./words.js";

const STAGES = [
  ["stage1_opinions", "opinions"], ["stage2_review", "review"], ["revision", "revision"], ["stage3_synthesis", "synthesis"], ["guard", "guard"],
];

/** Shows them in `box`; `session` as the HTTP interface gives it. */
export function showCosts(box, session, hearing) {
  const usage = session.token_usage;
  const line = (stage, model, { prompt_tokens, completion_tokens, total_tokens }) =>
    [stage, model, number(prompt_tokens), number(completion_tokens), number(total_tokens)];
  const rows = STAGES.filter(([name]) => usage[name]).flatMap(([name, word]) => [
    ...Object.entries(usage[name].by_model).map(([model, tokens]) => line(say(word), model, tokens)),
  ]);
  const total = [say("total"), say("all"), ...["prompt", "completion"].map((kind) => number(usage[`total_${kind}_tokens`])), number(usage.total_tokens)];
  const head = ["stage", "model", "prompt", "completion", "total"].map((word) => say(word));
  box.hidden = rows.length === 0;
  fill(box, element("h2", {}, say("costs")), table(say("tokensTable"), head, [...rows, total], "numbers tokens"), waterfall(hearing));
}
