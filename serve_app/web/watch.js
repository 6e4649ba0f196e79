// One session, watched while it sits or read afterwards. What is heard comes from its events; the
// rendered texts and the costs from the session, asked for again where an event changes them.

import { Problem, call, events, get, sessionPath } from "./api.js";
import { attempt, sessionButtons } from "./actions.js";
import { answerSection } from "./answer.js";
import { seatCard } from "./card.js";
import { absenceText, endText, noticeText } from "./codes.js";
import { showCosts } from "./costs.js";
import { element, fill, write } from "./dom.js";
import { earlierSection, goOn } from "./follow.js";
import { CHAIRMAN, hear, silence } from "./hearing.js";
import { showMatrix, showRanking } from "./judges.js";
import { number, say } from "./words.js";

const SHOW_MS = 60;
const LOOK_MS = 1000;
const WORTH_ASKING = new Set(["opinion", "revision", "review", "ranking", "final_answer", "session_closed"]);
const STEPS = ["opinions", "review", "revision", "synthesis", "guard"];

export function watchView(box, { id, seat }) {
  const left = new AbortController();
  const hearing = silence();
  const cards = new Map();
  const place = layout(box, id);
  let html = null;
  let session = null;
  let queue = null;
  let there = true;
  let wanted = seat;
  let timer = 0;
  let due = 0;
  let asking = 0;
  const drawn = { steps: "", reviews: -1, ranking: null, session: null, buttons: false, notes: "" };

  place.stop.addEventListener("click", () => attempt(async () => {
    place.stop.disabled = true;
    place.stop.textContent = say("stopping");
    await call("DELETE", sessionPath(id));
  }).then((done) => { if (!done) { place.stop.disabled = false; place.stop.textContent = say("stop"); } }));
  listen();
  waitAlong();

  async function listen() {
    try {
      for await (const event of events(id, left.signal, (isThere) => { there = isThere; soon(); })) {
        hear(hearing, event, performance.now());
        if (WORTH_ASKING.has(event.kind)) due ||= setTimeout(() => { due = 0; refresh(); }, SHOW_MS);
        soon();
      }
      refresh();
    } catch (error) {
      if (left.signal.aborted) return;
      left.abort();
      fill(box, element("h1", {}, say("gone")),
        element("p", {}, element("a", { href: "#/history" }, say("history"))),
        element("p", { class: "wrong", role: "alert" }, error instanceof Problem ? ([404, 422].includes(error.status) ? say("noSession") : error.message) : say("noService")));
    }
  }

  /** The newest one that was asked for counts. */
  async function refresh() {
    const mine = ++asking;
    const told = await Promise.all([get(sessionPath(id)), get(`${sessionPath(id)}/rendered`)]).catch(() => null);
    if (!told || mine !== asking || left.signal.aborted) return;
    [session, html] = told;
    soon();
  }

  /** As long as somebody waits: the place in the queue, until a PC has come to the question, and
   * which models are being loaded. */
  async function waitAlong() {
    while (!left.signal.aborted && !hearing.closed) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (left.signal.aborted || hearing.closed) return;
      if (!somebodyWaits()) continue;
      const [mine, pcs] = await Promise.all([begun() ? null : get(sessionPath(id)), get("/api/cluster/nodes")]).catch(() => []);
      queue = mine?.queue ?? null;
      hearing.loading = new Set(pcs?.nodes.flatMap((pc) => pc.loading));
      soon();
    }
  }

  function somebodyWaits() {
    if (hearing.stage === "synthesis" && !hearing.voices.has(`synthesis/${CHAIRMAN}`)) return true;
    return [...hearing.voices.values()].some((one) => one.state === "waiting");
  }

  function begun() {
    return [...hearing.voices.values()].some((one) => one.state !== "waiting");
  }

  function soon() {
    timer ||= setTimeout(() => { timer = 0; show(); }, SHOW_MS);
  }

  function show() {
    if (left.signal.aborted) return;
    if (!hearing.request) return write(place.stage, there ? "" : say("lost"));
    write(place.title, hearing.request.query);
    document.title = `${hearing.request.query.slice(0, 60)} – ${say("title")}`;
    stageLine();
    place.earlier.show(hearing.request, html);
    place.answer.show(hearing, html);
    for (const [seatId, one] of hearing.seats) {
      if (!cards.has(seatId)) {
        cards.set(seatId, seatCard(seatId, one));
        place.cards.append(cards.get(seatId).whole);
      }
      cards.get(seatId).show(hearing, html);
    }
    place.seats.hidden = false;
    judges();
    ended();
    if (wanted && cards.has(wanted)) { cards.get(wanted).focus(); wanted = null; }
  }

  function stageLine() {
    const stage = hearing.stage;
    const speaking = [...hearing.voices.entries()].filter(([key]) => key.startsWith(`${stage}/`)).map(([, one]) => one);
    const done = speaking.filter((one) => one.state === "done" || one.state === "absent").length;
    const count = speaking.length > 1 ? ` ${done}/${speaking.length}` : "";
    const chairLoads = stage === "synthesis" && !speaking.length && hearing.loading.has(hearing.chairman);
    const waiting = queue && !begun() && !hearing.closed;
    const waits = waiting ? `. ${say("queue", queue.place)}` : chairLoads ? `: ${say("loadingModel", hearing.chairman)}` : "";
    const line = hearing.closed?.error ? say("errorWhy", endText(hearing.closed)) : `${say(stage)}${count}${waits}`;
    write(place.stage, there || hearing.closed ? line : say("lost"));
    write(place.wait, waiting && there ? say("queueWait", number(queue.eta_s)) : "");
    place.stage.className = `stage ${hearing.closed ? hearing.closed.outcome : "open"}`;
    const all = STEPS.filter(isDue);
    const steps = all.map((step) => `${step} ${classOf(step)}`).join();
    if (drawn.steps === steps) return;
    drawn.steps = steps;
    fill(place.steps, all.map((step) => element("li", {
      class: classOf(step), "aria-current": step === stage ? "step" : null,
    }, say(step))));
  }

  /** Whether the council goes, went or will go through that stage. */
  function isDue(step) {
    if (hearing.stages.includes(step) || step === "opinions") return true;
    if (hearing.mode === "fast") return false;
    return ["review", "synthesis"].includes(step) || (step === "guard" && !hearing.closed && hearing.procedure.guard);
  }

  /** Where it ended without an answer, the last stage that was begun was not done. */
  function classOf(step) {
    if (step === hearing.stage) return "now";
    if (!hearing.stages.includes(step)) return "";
    return hearing.closed?.outcome === "error" && step === hearing.stages.at(-1) ? "broken" : "past";
  }

  function judges() {
    const reviews = hearing.reviews.length + hearing.absences.length;
    if (drawn.reviews !== reviews) { drawn.reviews = reviews; showMatrix(place.matrix, hearing); }
    if (drawn.ranking !== hearing.ranking) { drawn.ranking = hearing.ranking; showRanking(place.ranking, hearing); }
    const notes = `${hearing.notices.length}/${hearing.absences.length}/${session?.stage}`;
    if (drawn.notes !== notes) { drawn.notes = notes; showNotes(place.notes, hearing, session); }
  }

  function ended() {
    place.stop.hidden = hearing.closed !== null;
    if (hearing.closed && !drawn.buttons) {
      drawn.buttons = true;
      if (hearing.answer) place.next.append(goOn(id));
      place.buttons.append(...sessionButtons(id, () => { location.hash = "#/history"; }));
    }
    if (hearing.closed && session && drawn.session !== session) {
      drawn.session = session;
      showCosts(place.costs, session, hearing);
    }
  }

  return {
    leave: () => { left.abort(); clearTimeout(timer); clearTimeout(due); },
    stay: (other) => { wanted = other; soon(); return true; },
  };
}

/** What the reader should know. While it sits, who was absent where no card says so; in the end all
 * that the service says. */
function showNotes(box, hearing, session) {
  const ended = session && ["complete", "error"].includes(session.stage);
  const told = ended ? session.notices.map((notice) => noticeText(hearing, notice)) : [
    ...hearing.notices.map((notice) => noticeText(hearing, notice)),
    ...hearing.absences.filter(({ stage }) => !["opinions", "review"].includes(stage))
      .map((absence) => absenceText(hearing, absence)),
  ];
  const bad = ended ? session.degraded : hearing.notices.some((notice) => notice.degrades);
  box.hidden = told.length === 0;
  box.className = bad ? "notes degraded" : "notes";
  fill(box, element("h2", {}, say(bad ? "degraded" : "noticed")), element("ul", {}, [...new Set(told)].map((one) => element("li", {}, one))));
}

/** The parts of the view, in the order in which they are read. */
function layout(box, id) {
  const part = (name, hidden = true) => element("section", { class: name, hidden });
  const place = {
    title: element("h1", { class: "asked" }, say("loading")),
    stage: element("p", { class: "stage", role: "status", "aria-live": "polite" }),
    wait: element("span", { class: "quiet" }), // not in the status: it is another one each second
    steps: element("ol", { class: "steps", "aria-label": say("stages") }),
    stop: element("button", { type: "button", class: "danger", id: "stop", hidden: true }, say("stop")),
    earlier: earlierSection(),
    answer: answerSection(id),
    next: element("div", {}),
    notes: part("notes"),
    cards: element("div", { class: "cards" }),
    matrix: part("reviews"),
    ranking: part("places"),
    costs: part("costs"),
  };
  place.buttons = element("div", { class: "row" }, place.stop);
  place.seats = element("section", { "aria-labelledby": "opinions", hidden: true }, element("h2", { id: "opinions" }, say("opinions")), place.cards);
  fill(box, place.title, place.stage, place.wait, place.steps, place.buttons, place.earlier.whole, place.answer.whole, place.notes, place.next, place.seats, place.matrix, place.ranking, place.costs);
  return place;
}
