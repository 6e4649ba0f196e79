// The sessions that were: searched, opened, asked again, saved, deleted.

import { get } from "./api.js";
import { sessionButtons } from "./actions.js";
import { element, fill } from "./dom.js";
import { moment, say, seconds, number } from "./words.js";

const PAGE = 20;
const TYPING_MS = 250;

export function historyView(box) {
  const search = element("input", { type: "search", id: "search", maxlength: 200, autocomplete: "off" });
  const list = element("ul", { class: "sessions" });
  const note = element("p", { class: "quiet", role: "status" });
  const more = element("button", { type: "button", hidden: true, on: { click: () => load(true) } }, say("more"));
  let timer = 0;
  let asked = 0;
  let last = null;
  fill(box, element("h1", {}, say("history")),
    element("form", { role: "search", on: { submit: (event) => { event.preventDefault(); load(); } } },
      element("label", { class: "line" }, element("span", {}, say("search")), search)),
    note, list, more);
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => load(), TYPING_MS); });

  /** The newest ones, or with `on` the next older ones. What an earlier search found comes too late. */
  async function load(on = false) {
    const mine = ++asked;
    const wanted = new URLSearchParams({ limit: String(PAGE) });
    if (search.value.trim()) wanted.set("q", search.value.trim());
    if (on && last) wanted.set("before", last);
    try {
      const { sessions } = await get(`/api/council/sessions?${wanted}`);
      if (mine !== asked) return;
      const lines = sessions.map(line);
      on ? list.append(...lines) : fill(list, lines);
      last = sessions.at(-1)?.created_at ?? last;
      more.hidden = sessions.length < PAGE;
      fill(note, list.children.length ? null : search.value.trim() ? say("noneFound")
        : [say("none"), " ", element("a", { href: "#/" }, say("askFirst"))]);
    } catch (error) {
      if (mine === asked) note.textContent = say("failed", error.message);
    }
  }

  function line(session) {
    const ended = session.stage === "complete" || session.stage === "error";
    const facts = [
      moment(session.created_at), ended ? say(session.stage) : say("open"), session.degraded ? say("isDegraded") : "", session.follows ? say("followUp") : "",
      say("tokens", number(session.total_tokens)), ended ? seconds(session.duration_ms) : "",
    ];
    const whole = element("li", { class: "card" },
      element("a", { href: `#/session/${session.session_id}`, class: "question" }, session.query),
      element("p", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
      ended ? element("div", { class: "row" }, sessionButtons(session.session_id, () => { whole.remove(); search.focus(); })) : null);
    return whole;
  }

  load();
  return { leave: () => { clearTimeout(timer); asked += 1; } };
}
