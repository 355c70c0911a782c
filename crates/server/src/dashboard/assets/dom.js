// Making and changing elements. Text is only ever set as text, so it cannot become markup.

const SVG = "http://www.w3.org/2000/svg";

/** Returns an element with attributes and children; a string child becomes text. */
export function element(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** Returns an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Sets the text of a node that holds nothing else, if it differs. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute, if it differs; null removes it. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Sets a custom property of the style, which the Content-Security-Policy allows through the object model. */
export function setProperty(node, name, value) {
  if (node.style.getPropertyValue(name) !== String(value)) node.style.setProperty(name, value);
}

/** True while a person points into the node or has the focus in it: then nothing in it may move. */
export function isHeld(node) {
  return node.matches(":hover") || node.contains(document.activeElement);
}

/** Replaces the children of `node`, unless `data` is what it was made of last time. */
export function renderIfChanged(node, data, render) {
  const text = JSON.stringify(data);
  if (node.rendered === text) return;
  node.rendered = text;
  node.replaceChildren(...[render(data)].flat());
}
