// What can be done with a session that is there: ask it again, save it, delete it.

import { Problem, call, events, saveMinutes, sessionPath } from "./api.js";
import { element } from "./dom.js";
import { keepDraft } from "./draft.js";
import { say } from "./words.js";

const TOLD_MS = 8000;

let clearing = 0;

/** Tells everybody, screen readers too, what came of something; for a while. */
export function tell(text) {
  const told = document.getElementById("told");
  told.textContent = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => { told.textContent = ""; }, TOLD_MS);
}

/** Does `work`; where it fails, says why. Whether it was done. */
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    tell(say("failed", error instanceof Problem ? error.message : say("noService")));
    return false;
  }
}

/** The buttons for a session that has ended; `gone` is called once it was deleted. */
export function sessionButtons(id, gone) {
  const button = (word, work) => element("button", { type: "button", on: { click: work } }, say(word));
  const remove = button("remove", async () => {
    if (!remove.dataset.sure) {
      remove.dataset.sure = "yes";
      remove.textContent = say("removeSure");
      return;
    }
    if (await attempt(() => call("DELETE", `${sessionPath(id)}?purge=true`))) {
      tell(say("removed"));
      gone();
    }
  });
  remove.className = "danger";
  remove.addEventListener("blur", () => { delete remove.dataset.sure; remove.textContent = say("remove"); });
  return [
    button("askAgain", () => attempt(() => askAgain(id))),
    button("saveMd", () => attempt(() => saveMinutes(id, "md"))),
    button("saveJson", () => attempt(() => saveMinutes(id, "json"))),
    remove,
  ];
}

/** Fills the form with the question as it was asked: the first event has it all. */
async function askAgain(id) {
  const enough = new AbortController();
  for await (const event of events(id, enough.signal)) {
    keepDraft(event.request);
    break;
  }
  enough.abort();
  location.hash = "#/";
}
