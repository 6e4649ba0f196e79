// The answer, first and large: while the chairman writes it, and with its sources once it stands.

import { shown } from "./card.js";
import { element, fill, write } from "./dom.js";
import { CHAIRMAN, nameOf } from "./hearing.js";
import { say } from "./words.js";

export function answerSection(id) {
  const title = element("h2", { id: "answer" });
  const body = element("div", { class: "text large-text" });
  const by = element("p", { class: "quiet" });
  const notes = element("div", { class: "answer-notes" });
  const whole = element("section", { class: "answer", "aria-labelledby": "answer", hidden: true, tabindex: -1 },
    title, body, by, notes);
  const lost = element("div", { class: "text" });
  let noted = null;

  function show(hearing, html) {
    const voice = hearing.voices.get(`synthesis/${CHAIRMAN}`);
    const { answer } = hearing;
    const text = answer ? answer.content : voice?.text || "";
    whole.hidden = !text && !(voice && !hearing.closed);
    whole.setAttribute("aria-busy", String(!answer && !hearing.closed));
    const rendered = answer ? html?.final_answer ?? undefined : undefined;
    shown(body, text, rendered);
    write(title, say(hearing.closed && !answer ? "noAnswer" : "answer"));
    write(by, answer ? madeBy(hearing, answer) : say(hearing.closed ? "noAnswerWhy" : hearing.draft ? "comparing" : "writing"));
    if (answer && noted !== answer) {
      noted = answer;
      fill(notes, sources(hearing, answer), guard(answer.guard, lost));
    }
    if (answer?.guard?.synthesis) shown(lost, answer.guard.synthesis, html?.lost_synthesis ?? undefined);
  }
  return { whole, show };

  function sources(hearing, answer) {
    if (!answer.sources_cited.length) return null;
    const links = answer.sources_cited.map((seat) =>
      element("li", {}, element("a", { href: `#/session/${id}/${seat}` }, nameOf(hearing, seat))));
    return element("div", { class: "sources" }, element("h3", {}, say("sources")), element("ul", {}, links));
  }
}

function madeBy(hearing, answer) {
  const parts = answer.basis === "opinion"
    ? [say("answerOpinion", answer.sources_cited.map((seat) => nameOf(hearing, seat)).join(", "))]
    : [say("answerBy", answer.model)];
  if (answer.fallback) parts.push(say(answer.basis === "opinion" ? "chairmanSilent" : "chairmanReplaced", hearing.chairman));
  if (answer.cached) parts.push(say("fromCache"));
  if (answer.truncated) parts.push(say("cut"));
  return parts.join(" ");
}

/** What the guard said; `lost` is where the synthesis stands that gave way. */
function guard(verdict, lost) {
  if (!verdict) return null;
  const silent = verdict.verdict === "stands" && !(verdict.for_synthesis || verdict.for_opinion || verdict.ties);
  const word = silent ? "guardSilent" : { stands: "guardStands", lost: "guardLost", unfinished: "guardUnfinished" }[verdict.verdict];
  return element("div", { class: `guard ${verdict.verdict}` },
    element("p", {}, say(word, verdict.for_synthesis, verdict.for_opinion, verdict.ties)),
    verdict.synthesis
      ? element("details", {}, element("summary", {}, say("lostSynthesis")), lost)
      : null);
}
