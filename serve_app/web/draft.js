// The questions that are being written: they outlive a look at another page of this tab.

const EMPTY = { query: "", selected_agents: null, chairman_model: null, mode: null, follows: null, earlier: null };

let draft = EMPTY;

/** `request` as the HTTP interface takes it. */
export function keepDraft(request) {
  draft = { ...EMPTY, ...request };
}

export const lastDraft = () => draft;

const onward = new Map();

/** What is being typed to go on with that session. */
export const keepOnward = (session, text) => onward.set(session, text);
export const lastOnward = (session) => onward.get(session) ?? "";
