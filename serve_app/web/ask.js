// The form that a question is asked with.

import { Problem, get, post } from "./api.js";
import { tell } from "./actions.js";
import { fieldText } from "./codes.js";
import { pcCards } from "./cluster.js";
import { element, fill } from "./dom.js";
import { keepDraft, lastDraft } from "./draft.js";
import { modelChoices, seatList } from "./seats.js";
import { say } from "./words.js";

const MODES = ["fast", "standard", "thorough"];
const NOTHING = { recommended: [], installed: [], nodes: {} };

/** Shows the form in `box`. What is written in it is kept when the reader leaves. */
export function askView(box, { facts }) {
  const draft = lastDraft();
  const question = element("textarea", { id: "question", rows: 5, required: true, "aria-describedby": "question-hint question-wrong" }, draft.query);
  const questionWrong = element("p", { id: "question-wrong", class: "wrong" });
  const seatBox = element("div", {}, element("p", { class: "quiet" }, say("loading")));
  const chairman = element("select", { id: "chairman" }, chairmen(NOTHING));
  const wrong = element("p", { class: "wrong", role: "alert" });
  const button = element("button", { class: "main", id: "ask" }, say("askCouncil"));
  const pcs = element("div", { class: "cards" });
  let seats = { wanted: () => draft.selected_agents, blame: (errors) => errors };

  let earlier = draft.follows ? { follows: draft.follows } : draft.earlier ? { earlier: draft.earlier } : {};
  const afresh = element("button", { type: "button", on: { click: () => { earlier = {}; goesOn.hidden = true; question.focus(); } } }, say("startAfresh"));
  const goesOn = element("p", { class: "line", hidden: !(draft.follows || draft.earlier) }, element("span", {}, say("goesOn")), " ", afresh);

  const form = element("form", { novalidate: true, on: { submit: (event) => { event.preventDefault(); ask(); } } },
    element("h1", { class: "unseen" }, say("ask")),
    element("label", { for: "question", class: "large" }, say("question")),
    question,
    element("p", { id: "question-hint", class: "quiet" }, say("questionHint")),
    questionWrong,
    goesOn,
    modes(draft.mode || facts.mode),
    element("fieldset", { class: "table-of-seats" }, element("legend", {}, say("seats")), seatBox),
    element("label", { class: "line" }, element("span", {}, say("chairman")), chairman),
    wrong,
    element("div", { class: "row" }, button));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); ask(); }
  });
  fill(box, form, element("section", { "aria-labelledby": "pcs" }, element("h2", { id: "pcs" }, say("pcs")), pcs));
  question.focus();
  fillIn();

  function chairmen(catalogue) {
    return [element("option", { value: "" }, say("ownChoice")), ...modelChoices(catalogue, draft.chairman_model)];
  }

  async function fillIn() {
    let catalogue = NOTHING;
    try {
      catalogue = await get("/api/council/models");
    } catch (error) {
      wrong.textContent = error instanceof Problem ? error.message : say("noService");
    }
    seats = seatList(seatBox, catalogue, draft.selected_agents || []);
    fill(chairman, chairmen(catalogue));
    await pcCards(pcs).catch(() => {});
  }

  function wanted() {
    const mode = form.querySelector("input[name=mode]:checked").value;
    const agents = seats.wanted();
    return {
      query: question.value,
      ...earlier,
      ...(agents ? { selected_agents: agents } : {}),
      ...(chairman.value ? { chairman_model: chairman.value } : {}),
      ...(mode === facts.mode ? {} : { mode }),
    };
  }

  async function ask() {
    if (button.disabled) return;
    button.disabled = true;
    button.textContent = say("asking");
    try {
      const session = await post("/api/council/sessions", wanted());
      keepDraft({ ...wanted(), query: "", follows: null, earlier: null });
      question.value = "";
      location.hash = `#/session/${session.session_id}`;
    } catch (error) {
      blame(error);
    } finally {
      button.disabled = false;
      button.textContent = say("askCouncil");
    }
  }

  /** Says at the field what is wrong with it, and the rest below. */
  function blame(error) {
    const problem = error instanceof Problem ? error : { message: say("noService"), errors: [] };
    const left = seats.blame(problem.errors);
    const ofQuestion = left.filter(({ loc }) => loc[0] === "query");
    const isBlank = !question.value.trim();
    questionWrong.textContent = ofQuestion.map((error) => (isBlank ? say("noQuestion") : fieldText(error))).join(" ");
    question.setAttribute("aria-invalid", String(ofQuestion.length > 0));
    chairman.setAttribute("aria-invalid", String(left.some(({ loc }) => loc[0] === "chairman_model")));
    const isShown = problem.errors.length > 0 && left.length === ofQuestion.length;
    const others = left.filter((error) => !ofQuestion.includes(error)).map((error) => fieldText(error));
    wrong.textContent = isShown ? say("unfit") : others.join(" ") || problem.message;
    const first = form.querySelector("[aria-invalid=true]");
    if (first) first.focus();
    tell("");
  }

  return { leave: () => keepDraft({ ...wanted() }) };
}

function modes(chosen) {
  return element("fieldset", { class: "modes" }, element("legend", {}, say("mode")),
    MODES.map((mode) => element("label", { class: "choice" },
      element("input", { type: "radio", name: "mode", value: mode, checked: mode === chosen }),
      element("span", {}, element("strong", {}, say(mode)), " ", element("small", {}, say(`${mode}Hint`))))));
}
