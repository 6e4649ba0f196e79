// Elements: what is put into them is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** `element("p", {class: "note", on: {click}}, "text", child)`; null and false children are left out. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for a part of a drawing. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, heard] of Object.entries(value)) made.addEventListener(event, heard);
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, String(value));
    }
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

/** Puts `children` in the place of what `parent` holds. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== false));
  return parent;
}

/** Sets the text only where it is another one: a screen reader is not told the same thing twice. */
export function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** A table with a caption: `head` = column names, `rows` = cells; the first cell of a row names it. */
export function table(caption, head, rows, name = "") {
  const cells = ([first, ...rest]) => [element("th", { scope: "row" }, first), ...rest.map((cell) => element("td", {}, cell))];
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element("table", { class: name },
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, head.map((column) => element("th", { scope: "col" }, column)))),
      element("tbody", {}, rows.map((row) => element("tr", {}, cells(row))))));
}
