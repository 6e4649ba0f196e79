// The page as a whole: which view is shown, the key, the language, the footer.

import { Problem, forgetKey, get, hasKey, whenLocked } from "./api.js";
import { askView } from "./ask.js";
import { clusterView } from "./cluster.js";
import { docsView } from "./docs.js";
import { element, fill } from "./dom.js";
import { historyView } from "./history.js";
import { choose, language, say } from "./words.js";
import { watchView } from "./watch.js";

const VIEWS = { "": askView, ask: askView, session: watchView, history: historyView, cluster: clusterView, docs: docsView };
const place = (id) => document.getElementById(id);

let shown = { name: null, id: null, leave: () => {}, stay: () => false };
let facts = { version: "", locked: false, mode: "standard", dashboard_url: null, join_line: null };

/** `#/session/<id>/<seat>` → its parts. */
const parts = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

/** Shows what the address names. Where the same session is shown already, it stays. */
function show() {
  const [name, id, seat] = parts();
  if (shown.name === name && shown.id === id && shown.stay(seat)) return;
  shown.leave();
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : null;
  const main = place("main");
  const box = element("div", { class: `view ${view ? name || "ask" : ""}` });
  fill(main, box);
  document.title = name === "session" ? say("title") : `${say(view ? name || "ask" : "gone")} – ${say("title")}`;
  const made = view ? view(box, { id, seat, facts }) : fill(box, element("h1", {}, say("gone"))) && null;
  shown = { name, id, leave: made?.leave || (() => {}), stay: made?.stay || (() => false) };
  for (const link of place("nav").querySelectorAll("a")) {
    const here = link.dataset.page === (name || "ask");
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
}

/** The words that stand in `index.html`. */
function translate() {
  document.documentElement.lang = language();
  for (const word of document.querySelectorAll("[data-word]")) word.textContent = say(word.dataset.word);
  place("nav").setAttribute("aria-label", say("pages"));
  place("language").value = language();
  place("version").textContent = facts.version ? say("version", facts.version) : "";
}

/** Opens the dialog until a key was typed. */
function askForKey(wasWrong) {
  const dialog = place("lock");
  place("lock-wrong").textContent = wasWrong ? say("keyWrong") : "";
  place("lock-key").value = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    place("lock-form").onsubmit = (event) => {
      event.preventDefault();
      const key = place("lock-key").value.trim();
      if (!key || /[^\x21-\x7e]/.test(key)) return;
      dialog.close();
      resolve(key);
    };
  });
}

function footer() {
  place("forget").hidden = !hasKey();
  if (facts.locked) { // a plain link sends no key
    for (const link of document.querySelectorAll("[data-open]")) link.hidden = !link.dataset.open;
    for (const link of document.querySelectorAll("[data-open^='#']")) link.href = link.dataset.open;
  }
  const dashboard = place("dashboard");
  dashboard.hidden = !facts.dashboard_url;
  if (facts.dashboard_url && /^https?:/.test(facts.dashboard_url)) dashboard.href = facts.dashboard_url;
  translate();
}

async function begin() {
  translate();
  whenLocked(askForKey);
  place("lock").addEventListener("cancel", (event) => event.preventDefault());
  place("forget").addEventListener("click", () => { forgetKey(); location.reload(); });
  place("language").addEventListener("change", (event) => {
    choose(event.target.value);
    footer();
    shown.name = null;
    show();
  });
  place("skip").addEventListener("click", (event) => { event.preventDefault(); place("main").focus(); });
  fill(place("main"), element("p", { class: "quiet" }, say("loading")));
  try {
    facts = await get("/api/page");
  } catch (error) {
    const why = error instanceof Problem ? error.message : say("noService");
    return fill(place("main"), element("p", { class: "wrong", role: "alert" }, why));
  }
  footer();
  window.addEventListener("hashchange", () => { place("main").focus({ preventScroll: true }); show(); });
  show();
}

begin();
