// The HTTP interface to read, where a plain link to /docs would come without the key.

import { get } from "./api.js";
import { element, fill } from "./dom.js";
import { say } from "./words.js";

export function docsView(box) {
  const list = element("dl", { class: "docs" });
  const wrong = element("p", { class: "wrong", role: "alert" });
  fill(box, element("h1", {}, say("docs")), wrong, list);
  get("/openapi.json").then(
    (document) => fill(list, Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, operation]) => entry(method, path, operation)))),
    (error) => { wrong.textContent = error.message; });
}

function entry(method, path, operation) {
  const parameters = (operation.parameters || []).map((one) => `${one.name} (${one.in})`).join(", ");
  return [
    element("dt", {}, element("code", {}, `${method.toUpperCase()} ${path}`)),
    element("dd", {}, operation.description || "", parameters ? element("p", { class: "quiet" }, parameters) : null),
  ];
}
