// The HTTP interface as the page uses it: the key, problems in plain words, streams that come back.

import { problemText } from "./codes.js";
import { say } from "./words.js";

const KEY = "council-key";
const AGAIN_MS = 1000;
const AGAIN_AT_MOST_MS = 10000;

let askForKey = async () => { throw new Error("nobody is there to be asked"); };
let asking = null;

/** An answer that is no success (RFC 9457), in the reader's words where its code has some. */
export class Problem extends Error {
  constructor(status, told) {
    super(problemText({ ...told, detail: told.detail || told.title || String(status) }));
    this.status = status;
    this.code = told.code || "";
    this.errors = told.errors || [];
    this.retryAfter = told.retry_after_s;
  }
}

/** Nobody answers; the browser's own words for that say nothing of what to do. */
class NoService extends Error {
  constructor() {
    super(say("noService"));
  }
}

/** `ask(wasWrong)` gives a key, another one if the last one was wrong; it is called once, however
 * many requests wait for it. */
export function whenLocked(ask) {
  askForKey = ask;
}

export function forgetKey() {
  sessionStorage.removeItem(KEY);
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;

/** The answer to a request, with the key where there is one; asks for it where one is needed. */
export async function call(method, path, { body, headers = {}, signal } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const response = await fetch(path, {
      method, signal, cache: "no-store",
      headers: {
        ...headers,
        ...(key ? { Authorization: `Bearer ${key}` } : {}),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    }).catch((error) => { throw signal?.aborted ? error : new NoService(); });
    if (response.ok) return response;
    const problem = new Problem(response.status, await response.json().catch(() => ({})));
    if (problem.status !== 401) throw problem;
    if (sessionStorage.getItem(KEY) === key) await newKey(key !== null);
  }
}

async function newKey(wasWrong) {
  asking ??= askForKey(wasWrong).finally(() => { asking = null; });
  sessionStorage.setItem(KEY, await asking);
}

export const get = async (path, options) => (await call("GET", path, options)).json();
export const post = async (path, body) => (await call("POST", path, { body })).json();
export const sessionPath = (id) => `/api/council/sessions/${encodeURIComponent(id)}`;

/** Saves the minutes of a session as a file. */
export async function saveMinutes(id, format) {
  const response = await call("GET", `${sessionPath(id)}/export?format=${format}`);
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = `council-${id}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

/** Every event of a session, in order, until it has closed. Where the connection is lost it is made
 * again, from the last event that was told; `onLine(isThere)` hears of it. */
export async function* events(id, signal, onLine = () => {}) {
  let last = 0;
  let wait = AGAIN_MS;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": String(last) } : {}) };
      const response = await call("GET", `${sessionPath(id)}/events`, { headers, signal });
      onLine(true);
      if (response.status === 204) return;
      for await (const event of frames(response.body)) {
        wait = AGAIN_MS;
        last = Math.max(last, event.seq || 0);
        yield event;
        if (event.kind === "session_closed") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
    }
    onLine(false);
    await pause(wait, signal);
    wait = Math.min(wait * 2, AGAIN_AT_MOST_MS);
  }
}

/** The events in the bytes of an event stream; an unfinished one at its end is left out. */
async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (text + value).split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
        if (data.length) yield JSON.parse(data.join("\n"));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** A while; at once when it is no longer wanted, or when the machine is on line again. */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const now = () => { clearTimeout(timer); resolve(); };
    signal.addEventListener("abort", now, { once: true });
    window.addEventListener("online", now, { once: true });
  });
}
