// The seats of a question that is being written: model, name, persona, temperature of each.

import { fieldText } from "./codes.js";
import { element, fill } from "./dom.js";
import { say } from "./words.js";

/** What the form calls a field. */
const PARTS = { model: "model", name: "name", temperature: "temperature", system: "persona" };
let wrongs = 0;

/** The models that may be chosen, and those that would have to be installed first. */
export function modelChoices(catalogue, chosen) {
  const installed = catalogue.installed.map((name) => {
    const where = (catalogue.nodes[name] || []).join(", ");
    return element("option", { value: name, selected: name === chosen }, where ? `${name} (${where})` : name);
  });
  const missing = catalogue.recommended.filter((model) => !model.installed).map((model) =>
    element("option", { value: model.name, disabled: true }, `${model.name} – ${say("notInstalled", model.name)}`));
  const unknown = chosen && !catalogue.installed.includes(chosen)
    ? [element("option", { value: chosen, selected: true }, chosen)] : [];
  return [...unknown, ...installed, ...missing];
}

/** A list of seats in `box`; it is asked for with `wanted()`, and told what is wrong with `blame`. */
export function seatList(box, catalogue, begin) {
  const seats = begin.map((spec) => seat(spec));
  const list = element("div", { class: "seats" });
  const none = element("p", { class: "quiet" }, say("seatsNone"));
  const add = element("button", { type: "button", class: "plain", id: "add-seat", on: { click: () => grow() } }, `+ ${say("addSeat")}`);
  fill(box, list, none, add);
  show();

  function seat(spec) {
    const field = (word, input) => element("label", {}, element("span", {}, say(word)), input);
    const parts = {
      model: element("select", { class: "model" }, modelChoices(catalogue, spec.model)),
      name: element("input", { type: "text", maxlength: 80, value: spec.name || "", autocomplete: "off" }),
      temperature: element("input", { type: "number", min: 0, max: 5, step: 0.1, value: spec.options?.temperature ?? "", inputmode: "decimal" }),
      system: element("textarea", { rows: 2, maxlength: 8000 }, spec.system || ""),
    };
    const legend = element("legend");
    const remove = element("button", { type: "button", class: "plain remove" }, "×");
    const wrong = element("p", { class: "wrong", id: `seat-wrong-${++wrongs}` });
    for (const part of Object.values(parts)) part.setAttribute("aria-describedby", wrong.id);
    const whole = element("fieldset", { class: "seat" }, legend,
      element("div", { class: "fields" }, field("model", parts.model), field("name", parts.name), field("temperature", parts.temperature)),
      field("persona", parts.system), wrong, remove);
    const made = { parts, legend, remove, whole, wrong, options: spec.options || {} };
    remove.addEventListener("click", () => { seats.splice(seats.indexOf(made), 1); show(); add.focus(); });
    return made;
  }

  function grow() {
    seats.push(seat({ model: catalogue.installed[0] }));
    show();
    seats.at(-1).parts.model.focus();
  }

  function show() {
    seats.forEach((one, at) => {
      one.legend.textContent = say("seatNumber", at + 1);
      one.remove.setAttribute("aria-label", say("removeSeat", at + 1));
      one.remove.title = say("removeSeat", at + 1);
    });
    if (list.children.length !== seats.length) fill(list, seats.map((one) => one.whole));
    none.hidden = seats.length > 0;
  }

  return {
    /** As the HTTP interface takes them; null where none was chosen. */
    wanted() {
      if (!seats.length) return null;
      return seats.map(({ parts, options }) => ({
        model: parts.model.value,
        ...(parts.name.value.trim() ? { name: parts.name.value.trim() } : {}),
        ...(parts.system.value.trim() ? { system: parts.system.value.trim() } : {}),
        options: { ...given(options), ...(parts.temperature.value === "" ? {} : { temperature: Number(parts.temperature.value) }) },
      }));
    },
    /** `errors` of a problem: those that name a seat are shown there. Gives back the others. */
    blame(errors) {
      for (const one of seats) {
        one.wrong.textContent = "";
        for (const part of Object.values(one.parts)) part.removeAttribute("aria-invalid");
      }
      return errors.filter((error) => {
        const { loc } = error;
        const one = loc[0] === "selected_agents" ? seats[loc[1]] : undefined;
        if (!one) return true;
        const part = one.parts[loc.at(-1)];
        const field = part ? say("because", say(PARTS[loc.at(-1)])) : "";
        one.wrong.textContent += `${field}${fieldText(error)} `;
        if (part) part.setAttribute("aria-invalid", "true");
        return false;
      });
    },
  };
}

/** Options that the page does not show but the question had; nothing that is null. */
function given(options) {
  return Object.fromEntries(Object.entries(options).filter(([name, value]) => value !== null && name !== "temperature"));
}
