// A model's text as HTML that the service has cleaned: rebuilt here, element by element, so that
// nothing else gets in even if it should come.

const ALLOWED = new Set([
  "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a",
  "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
]);

/** Shows `html` in `place`. */
export function showHtml(place, html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  place.replaceChildren(...copies(parsed.body));
}

function copies(parent) {
  return [...parent.childNodes].flatMap((node) => {
    if (node.nodeType === Node.TEXT_NODE) return [document.createTextNode(node.data)];
    if (node.nodeType !== Node.ELEMENT_NODE) return [];
    const name = node.localName;
    return ALLOWED.has(name) ? [copy(node, name)] : [];
  });
}

function copy(node, name) {
  const made = document.createElement(name);
  if (name === "pre" || name === "table") made.tabIndex = 0; // it may be wider than its place: arrows scroll it
  if (name === "a") link(made, node.getAttribute("href") || "");
  if (name === "ol" && /^\d{1,9}$/.test(node.getAttribute("start") || "")) made.setAttribute("start", node.getAttribute("start"));
  made.append(...copies(node));
  return made;
}

function link(made, address) {
  if (!/^https?:\/\//i.test(address)) return;
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow";
  made.title = address;
}
