// What the judges said: who gave whom what, and the ranking that came of it.

import { agreementText, callText, rejectionText } from "./codes.js";
import { element, fill, table } from "./dom.js";
import { labelsOf, lostVotes, nameOf, votes } from "./hearing.js";
import { number, say } from "./words.js";

function whyNot(hearing, id) {
  const { rejected, absent } = lostVotes(hearing, id);
  return [
    ...rejected.map(([rejection, detail]) => rejectionText(rejection, detail)),
    ...absent.map(({ code, detail }) => callText(code, detail)),
  ].join(say("and"));
}

/** The matrix in `box`; hidden as long as there is no review. */
export function showMatrix(box, hearing) {
  const given = votes(hearing);
  const seats = [...hearing.seats.keys()];
  const judged = seats.filter((id) => hearing.voices.get(`opinions/${id}`)?.state === "done");
  const judges = seats.filter((id) => given.has(id) || whyNot(hearing, id));
  box.hidden = judges.length === 0;
  if (box.hidden) return;
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.cell : null;
  const why = element("p", { class: "why", role: "status", "aria-live": "polite" }, say("whoGaveHint"));
  const row = (judge) => [
    nameOf(hearing, judge),
    ...judged.map((seat) => cell(hearing, judge, seat, given.get(judge)?.get(seat), why)),
  ];
  const head = [say("reviewer"), ...judged.map((id) => nameOf(hearing, id))];
  const labels = labelsOf(hearing).map(([label, id]) => `${label} = ${nameOf(hearing, id)}`).join(", ");
  fill(box, element("h2", {}, say("review")), table(say("whoGave"), head, judges.map(row), "matrix"), why,
    labels ? element("p", { class: "quiet labels" }, say("labels", labels)) : null,
    element("ul", { class: "abstentions" }, judges.filter((id) => !given.get(id)?.size).map((id) =>
      element("li", {}, `${nameOf(hearing, id)} ${say("abstains", whyNot(hearing, id) || say("noReason"))}`))));
  if (focused) box.querySelector(`[data-cell="${CSS.escape(focused)}"]`)?.focus();
}

function cell(hearing, judge, seat, vote, why) {
  if (judge === seat) return element("span", { class: "quiet", "aria-label": say("noVote") }, "–");
  const told = vote
    ? say("gave", nameOf(hearing, judge), nameOf(hearing, seat), vote.score)
    : say("gaveNone", nameOf(hearing, judge), nameOf(hearing, seat));
  const reason = vote ? vote.reasoning : whyNot(hearing, judge);
  const show = () => fill(why, element("strong", {}, say("because", told)), reason || say("noReason"));
  return element("button", {
    type: "button", class: vote ? `score s${vote.score}` : "score none", "aria-label": told, "data-cell": `${judge}/${seat}`, on: { focus: show, mouseenter: show, click: show },
  }, vote ? String(vote.score) : say("noVote"));
}

/** The places in `box`; hidden as long as there are none. */
export function showRanking(box, hearing) {
  box.hidden = !hearing.ranking;
  if (box.hidden) return;
  const { ranking, agreement, count, method } = hearing.ranking;
  const consensus = method === "consensus";
  const words = consensus ? ["place", "seat", "agreesBy"] : ["place", "interval", "seat", "meanScore", "voteCount"];
  const row = (one) => (consensus
    ? [String(one.place), nameOf(hearing, one.agent_id), number(one.points, 2)]
    : [String(one.place), between(one.interval), nameOf(hearing, one.agent_id), number(one.mean_score, 1), String(one.votes)]);
  fill(box, element("h2", {}, say("ranking")), table(say("ranking"), words.map((word) => say(word)), ranking.map(row), "ranking"),
    agreement ? element("p", {}, agreementText(hearing, agreement)) : null,
    count?.winner ? element("p", {}, say("counted", count.votes, Object.keys(count.answers).length, count.kind === "yes_no" ? say(count.winner) : count.winner)) : null);
}

const between = (interval) => (!interval ? "–" : interval.best === interval.worst ? String(interval.best) : `${interval.best}–${interval.worst}`);
