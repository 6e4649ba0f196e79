// What was heard of a session so far, folded from its events. Knows nothing of the page.

export const CHAIRMAN = "chairman";
const STAGE_OF = { opinion_delta: "opinions", review_delta: "review", revision_delta: "revision", synthesis_delta: "synthesis" };

/** A session before its first event. `loading`: models that PCs load now; no event tells of it. */
export function silence() {
  return {
    request: null, seats: new Map(), chairman: "", mode: "standard", procedure: {}, stage: "pending", stages: [],
    voices: new Map(), reviews: [], ballots: [], ranking: null, answer: null, draft: null, calls: [],
    absences: [], notices: [], loading: new Set(), closed: null, startedAt: 0,
  };
}

/** One seat in one stage; `state` is waiting, asked, thinking, speaking, done or absent; `former` says
 * how its last attempt failed, `detail` why it is absent. */
export function voice(hearing, stage, id) {
  const key = `${stage}/${id}`;
  if (!hearing.voices.has(key)) {
    hearing.voices.set(key, { state: "waiting", text: "", characters: 0, node: "", attempt: 1, since: 0, detail: "", former: null, speed: 0, truncated: false });
  }
  return hearing.voices.get(key);
}

/** Takes an event in. `now` in ms: when it was heard here. Kinds that are not known change nothing. */
export function hear(hearing, event, now) {
  if (STAGE_OF[event.kind]) return said(voice(hearing, STAGE_OF[event.kind], event.agent_id), event, now);
  const step = STEPS[event.kind];
  if (step) step(hearing, event);
}

/** A delta goes to its offset: after a reconnection the text so far comes again, in one. Offsets
 * count characters, of which some are two of JavaScript's units. */
function said(place, event, now) {
  if (event.thinking) {
    if (!place.text) place.state = "thinking";
    return;
  }
  if (!place.text) place.since = now;
  const before = event.offset === place.characters ? place.text : [...place.text].slice(0, event.offset).join("");
  place.text = before + event.text;
  place.characters = event.offset + [...event.text].length;
  place.state = "speaking";
  const seconds = (now - place.since) / 1000;
  place.speed = seconds > 1 ? place.text.length / 4 / seconds : 0;
}

/** An answer is there: its own text and the figures of its call. */
function answered(hearing, stage, event) {
  const id = event.agent_id;
  const { generate_ms: ms } = event.timing;
  const speed = ms > 0 ? (event.usage.completion_tokens * 1000) / ms : 0;
  Object.assign(voice(hearing, stage, id), {
    state: "done", text: event.content, node: event.node, attempt: event.attempts, detail: "", speed,
    truncated: event.truncated, tokens: event.usage.total_tokens, cached: event.cached, saved: event.saved?.total_tokens ?? 0,
  });
  hearing.calls.push({ stage, id, node: event.node, model: event.model, startedAt: Date.parse(event.started_at), timing: event.timing });
}

const STEPS = {
  session_started(hearing, event) {
    hearing.request = event.request;
    hearing.seats = new Map(event.seats.map((seat) => [seat.agent_id, seat]));
    hearing.chairman = event.chairman_model;
    hearing.procedure = event.procedure;
    hearing.mode = event.procedure.mode;
    hearing.startedAt = Date.parse(event.at);
    for (const id of hearing.seats.keys()) voice(hearing, "opinions", id);
  },
  stage_started(hearing, event) {
    hearing.stage = event.stage;
    if (!hearing.stages.includes(event.stage)) hearing.stages.push(event.stage);
  },
  agent_started(hearing, event) {
    Object.assign(voice(hearing, event.stage, event.agent_id), {
      state: "asked", node: event.node, attempt: event.attempt, detail: "", former: event.former ?? null, text: "", characters: 0,
    });
  },
  opinion: (hearing, event) => answered(hearing, "opinions", event),
  revision: (hearing, event) => answered(hearing, "revision", event),
  review(hearing, event) {
    answered(hearing, "review", event);
    hearing.reviews.push(event);
  },
  synthesis(hearing, event) {
    answered(hearing, "synthesis", event);
    hearing.draft = event;
  },
  guard_ballot(hearing, event) {
    answered(hearing, "guard", event);
    hearing.ballots.push(event);
  },
  absence(hearing, event) {
    hearing.absences.push(event);
    Object.assign(voice(hearing, event.stage, event.agent_id), { state: "absent", detail: event.detail, code: event.code, node: event.node });
  },
  ranking(hearing, event) { hearing.ranking = event; },
  final_answer(hearing, event) {
    if (!hearing.draft && event.basis === "synthesis" && !event.fallback) answered(hearing, "synthesis", event);
    hearing.answer = event;
  },
  notice(hearing, event) { hearing.notices.push(event); },
  session_closed(hearing, event) {
    hearing.closed = event;
    hearing.stage = event.outcome;
  },
};

/** Who gave whom what: reviewer → reviewed → {score, reasoning}. Several reviews of a judge are one. */
export function votes(hearing) {
  const given = new Map();
  for (const review of hearing.reviews) {
    const line = given.get(review.agent_id) || new Map();
    for (const vote of review.rankings) line.set(vote.agent_id, vote);
    given.set(review.agent_id, line);
  }
  return given;
}

/** Why votes of a judge are missing: what was rejected of its reviews, [its code if the session is not
 * of old, the sentence] each; and its absences. */
export function lostVotes(hearing, id) {
  return {
    rejected: hearing.reviews.filter((review) => review.agent_id === id)
      .flatMap((review) => review.rejected.map((detail, at) => [review.rejections?.[at], detail])),
    absent: hearing.absences.filter((absence) => absence.stage === "review" && absence.agent_id === id),
  };
}

/** By which label whose opinion went among the judges: [label, seat's id] each, in order. Sessions of old
 * do not say. */
export function labelsOf(hearing) {
  const labels = Object.entries(hearing.reviews.at(-1)?.labels ?? {});
  return labels.map(([id, label]) => [label, id]).sort(([one], [other]) => one.localeCompare(other));
}

/** The seat's name; the chairman and seats that nobody knows of go by their id. */
export const nameOf = (hearing, id) => hearing.seats.get(id)?.name ?? id;
