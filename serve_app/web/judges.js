// What the judges said: who gave whom what, and the ranking that came of it.

import { agreementText, callText } from "./codes.js";
import { element, fill, table } from "./dom.js";
import { nameOf, votes, whyNoVote } from "./hearing.js";
import { number, say } from "./words.js";

const whyNot = (hearing, id) => whyNoVote(hearing, id, ({ code, detail }) => callText(code, detail));

/** The matrix in `box`; hidden as long as there is no review. */
export function showMatrix(box, hearing) {
  const given = votes(hearing);
  const judges = [...hearing.seats.keys()].filter((id) => given.has(id) || whyNot(hearing, id));
  box.hidden = judges.length === 0;
  if (box.hidden) return;
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.cell : null;
  const why = element("p", { class: "why", role: "status", "aria-live": "polite" }, say("whoGaveHint"));
  const row = (judge) => [
    nameOf(hearing, judge),
    ...[...hearing.seats.keys()].map((seat) => cell(hearing, judge, seat, given.get(judge)?.get(seat), why)),
  ];
  const head = [say("reviewer"), ...[...hearing.seats.keys()].map((id) => nameOf(hearing, id))];
  fill(box, element("h2", {}, say("review")), table(say("whoGave"), head, judges.map(row), "matrix"), why,
    element("ul", { class: "abstentions" }, judges.filter((id) => !given.get(id)?.size).map((id) =>
      element("li", {}, `${nameOf(hearing, id)} ${say("abstains", whyNot(hearing, id) || say("noReason"))}`))));
  if (focused) box.querySelector(`[data-cell="${CSS.escape(focused)}"]`)?.focus();
}

function cell(hearing, judge, seat, vote, why) {
  if (judge === seat) return element("span", { class: "quiet", "aria-label": say("noVote") }, "–");
  if (!vote) return element("span", { class: "quiet", title: whyNot(hearing, judge) }, say("noVote"));
  const told = say("gave", nameOf(hearing, judge), nameOf(hearing, seat), vote.score);
  const show = () => fill(why, element("strong", {}, `${told}: `), vote.reasoning || say("noReason"));
  return element("button", {
    type: "button", class: `score s${vote.score}`, "aria-label": told, "data-cell": `${judge}/${seat}`, on: { focus: show, mouseenter: show, click: show },
  }, String(vote.score));
}

/** The places in `box`; hidden as long as there are none. */
export function showRanking(box, hearing) {
  box.hidden = !hearing.ranking;
  if (box.hidden) return;
  const { ranking, agreement, count, method } = hearing.ranking;
  const consensus = method === "consensus";
  const head = ["place", "interval", "seat", consensus ? "agreesBy" : "meanScore", "voteCount"].map((word) => say(word));
  const rows = ranking.map((one) => [
    String(one.place), between(one.interval), nameOf(hearing, one.agent_id),
    consensus ? number(one.points, 2) : number(one.mean_score, 1), String(one.votes),
  ]);
  fill(box, element("h2", {}, say("ranking")), table(say("ranking"), head, rows, "ranking"),
    agreement ? element("p", {}, agreementText(hearing, agreement)) : null,
    count?.winner ? element("p", {}, say("counted", count.votes, Object.keys(count.answers).length, count.winner)) : null);
}

const between = (interval) => (!interval ? "–" : interval.best === interval.worst ? String(interval.best) : `${interval.best}–${interval.worst}`);
