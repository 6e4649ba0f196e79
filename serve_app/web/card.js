// One seat of a session: its opinion while it is written, where it runs, what it does now.

import { callText } from "./codes.js";
import { element, write } from "./dom.js";
import { showHtml } from "./markdown.js";
import { number, say } from "./words.js";

/** A card that `show(hearing, html)` brings up to date; `focus()` brings it into sight. */
export function seatCard(id, seat) {
  const title = element("h3", { id: `seat-${id}` }, seat.name);
  const node = element("span", { class: "tag", hidden: true });
  const state = element("span", { class: "state" });
  const facts = element("p", { class: "quiet" });
  const text = element("div", { class: "text", tabindex: 0, role: "region", "aria-labelledby": `seat-${id}` });
  const more = element("p", { class: "quiet", hidden: true });
  const again = folded("writtenAgain");
  const critique = folded("inItsWords");
  const whole = element("article", { class: "card seat-card", "aria-labelledby": `seat-${id}`, tabindex: -1 },
    element("header", {}, title, node, state),
    element("p", { class: "quiet model" }, seat.model, seat.system ? [" · ", element("span", { class: "persona", title: seat.system }, seat.system)] : null),
    text, facts, more, again.whole, critique.whole);

  function show(hearing, html) {
    const opinion = hearing.voices.get(`opinions/${id}`);
    const revision = hearing.voices.get(`revision/${id}`);
    const [word, what] = stateOf(hearing, opinion, seat.model);
    state.className = `state ${what}`;
    write(state, word);
    node.hidden = !opinion.node;
    write(node, opinion.node);
    shown(text, opinion.text, html?.opinions[id]);
    write(facts, factsOf(opinion));
    const doing = doingNow(hearing, id);
    more.hidden = !doing;
    write(more, doing);
    again.show(revision?.text, html?.revisions[id]);
    critique.show(html?.critiques[id] ? " " : hearing.voices.get(`review/${id}`)?.text, html?.critiques[id]);
  }

  function focus() {
    whole.focus({ preventScroll: true });
    whole.scrollIntoView({ block: "center" });
  }
  return { whole, show, focus };
}

/** Text as it is, or, once the service has rendered it, as HTML. */
export function shown(place, text, html) {
  const key = html === undefined ? `text ${text}` : `html ${html}`;
  if (place.shownAs === key) return;
  place.shownAs = key;
  place.classList.toggle("plain-text", html === undefined);
  html === undefined ? (place.textContent = text) : showHtml(place, html);
}

function folded(word) {
  const body = element("div", { class: "text" });
  const whole = element("details", { hidden: true }, element("summary", {}, say(word)), body);
  return {
    whole,
    show(text, html) {
      whole.hidden = !text && !html;
      if (!whole.hidden) shown(body, text, html);
    },
  };
}

function stateOf(hearing, opinion, model) {
  if (opinion.state === "absent") return [say("absent", callText(opinion.code, opinion.detail)), "absent"];
  if (opinion.state === "done") return [say("done"), "done"];
  if (hearing.closed) return [say("stoppedHere"), "absent"];
  if (opinion.state === "waiting" && hearing.loading.has(model)) return [say("loadingModel", model), "waiting"];
  return [say(opinion.state), opinion.state];
}

function factsOf(opinion) {
  const told = [];
  if (opinion.state === "done" && opinion.tokens) told.push(say("tokens", number(opinion.tokens)));
  if (opinion.speed) told.push(say(opinion.state === "done" ? "speed" : "speedAbout", number(opinion.speed, 1)));
  if (opinion.cached) told.push(say("cached", number(opinion.saved)));
  if (opinion.truncated) told.push(say("cut"));
  if (opinion.former) told.push(say("attempt", opinion.attempt, whyAgain(opinion.former)));
  return told.join(" · ");
}

const whyAgain = (former) => (former.code === "agent_lost" && former.node ? say("agentLost", former.node) : callText(former.code, former.detail));

function doingNow(hearing, id) {
  if (hearing.closed) return "";
  const busy = (stage) => ["asked", "thinking", "speaking"].includes(hearing.voices.get(`${stage}/${id}`)?.state);
  if (busy("guard")) return say("judging");
  if (busy("revision")) return say("rewriting");
  if (busy("review")) return say("reviewing");
  return hearing.voices.get(`review/${id}`)?.state === "done" && hearing.stage === "review" ? say("reviewed") : "";
}
