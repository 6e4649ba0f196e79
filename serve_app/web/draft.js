// The question that is being written: it outlives a look at another page of this tab.

const EMPTY = { query: "", selected_agents: null, chairman_model: null, mode: null, follows: null, earlier: null };

let draft = EMPTY;

/** `request` as the HTTP interface takes it. */
export function keepDraft(request) {
  draft = { ...EMPTY, ...request };
}

export const lastDraft = () => draft;
