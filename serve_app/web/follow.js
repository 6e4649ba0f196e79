// What was said before a question, and the question that goes on with its answer.

import { Problem, post } from "./api.js";
import { shown } from "./card.js";
import { fieldText } from "./codes.js";
import { element, fill } from "./dom.js";
import { keepOnward, lastOnward } from "./draft.js";
import { say } from "./words.js";

/** Where the turns stand that the council was shown; folded in, the question that is asked comes first. */
export function earlierSection() {
  const list = element("ol", { class: "turns" });
  const link = element("p", {});
  const whole = element("details", { class: "earlier", hidden: true },
    element("summary", {}, say("earlier")), list, link);
  let drawn = null;

  function show(request, html) {
    const turns = request.earlier || [];
    if (!turns.length || drawn === (html?.earlier || "text")) return;
    drawn = html?.earlier || "text";
    whole.hidden = false;
    fill(list, turns.map((turn, number) => {
      const answer = element("div", { class: "text" });
      shown(answer, turn.answer, html?.earlier?.[number]);
      return element("li", {}, element("p", { class: "asked" }, turn.query), answer);
    }));
    fill(link, request.follows ? element("a", { href: `#/session/${request.follows}` }, say("formerSession")) : null);
  }
  return { whole, show };
}

/** The form under an answer: the same council is asked on, and sees what was said. */
export function goOn(id) {
  const question = element("textarea", { id: "next", rows: 2, required: true, "aria-describedby": "next-hint next-wrong" });
  question.value = lastOnward(id);
  question.addEventListener("input", () => keepOnward(id, question.value));
  const wrong = element("p", { id: "next-wrong", class: "wrong", role: "alert" });
  const button = element("button", { class: "main" }, say("goOn"));
  const form = element("form", { class: "go-on", novalidate: true, on: { submit: (event) => { event.preventDefault(); ask(); } } },
    element("label", { for: "next" }, say("next")), question,
    element("p", { id: "next-hint", class: "quiet" }, say("nextHint")), wrong,
    element("div", { class: "row" }, button));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); ask(); }
  });
  return form;

  const why = (error) => error.errors.map((one) => fieldText(one)).join(" ") || error.message;

  async function ask() {
    if (button.disabled) return;
    button.disabled = true;
    try {
      const session = await post("/api/council/sessions", { query: question.value, follows: id });
      keepOnward(id, "");
      location.hash = `#/session/${session.session_id}`;
    } catch (error) {
      const isBlank = !question.value.trim();
      wrong.textContent = error instanceof Problem ? (isBlank ? say("noQuestion") : why(error)) : say("noService");
      question.setAttribute("aria-invalid", "true");
      question.focus();
    } finally {
      button.disabled = false;
    }
  }
}
