// Parts that several panels share.

import { element, setAttribute, setText } from "./dom.js";
import { condensed, visible } from "./text.js";

/** Says what a panel shows when there is nothing, or what to do. */
export function empty(...children) {
  return element("p", { class: "empty" }, ...children);
}

/** Sets the number beside a panel's title; a level colours it. */
export function setCount(node, text, level = null) {
  setText(node, text);
  setAttribute(node, "data-level", level);
}

/** A state in words with a mark of its own shape and colour. Levels: ok, warn, bad, unknown. */
export function mark(level) {
  return element("span", { class: "mark", "data-level": level, "aria-hidden": "true" });
}

export const statementAddress = (fingerprint) => `#/statement/${encodeURIComponent(fingerprint)}`;

// A call site of which the folders give way first, so that file and line are always there.
function siteNode() {
  const [folders, file] = [element("span", { class: "folders" }), element("span", { class: "file" })];
  const node = element("span", { class: "site" }, folders, file);
  const fill = (place) => {
    const text = visible(place) || "unknown call site";
    const end = text.lastIndexOf("/") + 1;
    setText(folders, text.slice(0, end));
    setText(file, text.slice(end));
    setAttribute(node, "title", text);
  };
  return { node, fill };
}

/** A cell's statement: its text, which opens its page, and its call site. Fits into one slot, and is filled again and again. */
export function statementCell() {
  const link = element("a", { class: "sql" });
  const notes = element("span", { class: "notes" });
  const at = siteNode();
  const node = element("div", { class: "statement-cell" }, link, element("span", { class: "second" }, notes, at.node));
  const fill = ({ text, fingerprint, at: place }, note = "") => {
    setText(link, condensed(text));
    setAttribute(link, "href", fingerprint ? statementAddress(fingerprint) : null);
    setAttribute(link, "title", visible(text).slice(0, 600));
    setText(notes, note);
    at.fill(place);
  };
  return { node, link, fill };
}

/** Code with a button that copies it. */
export function copyable(code, label = "Copy") {
  const text = visible(code);
  const body = element("code", { class: "code" }, text);
  const button = element("button", { class: "button copy", type: "button", "aria-label": `${label}: ${text.slice(0, 80)}` }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      setText(button, "Copied");
    } catch {
      // Without TLS the clipboard is closed: what is selected can be copied by hand.
      getSelection().selectAllChildren(body);
      setText(button, "Selected");
    }
    setTimeout(() => setText(button, label), 2000);
  });
  return element("div", { class: "copyable" }, body, button);
}

/** Lets a button ask for something slow, and shows the answer or the problem in `body`. */
export function askOnClick(button, body, request, render) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled")) return;
    setAttribute(button, "aria-disabled", "true");
    setText(button, "Working …");
    try {
      body.replaceChildren(...[render(await request())].flat());
    } catch (problem) {
      body.replaceChildren(empty(visible(problem.message)));
    }
    setAttribute(button, "aria-disabled", null);
    setText(button, label);
  });
}

/** Adds a caption for screen readers and a row of column heads to a table. */
export function tableHead(caption, columns) {
  return [
    element("caption", { class: "visually-hidden" }, caption),
    element("thead", {}, element("tr", {}, ...columns.map(([name, kind]) => element("th", { scope: "col", class: kind ?? "" }, name)))),
  ];
}
