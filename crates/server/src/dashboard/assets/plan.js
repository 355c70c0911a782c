// A plan as a tree; the node that costs most is marked.

import { element } from "./dom.js";
import { count, dayAndTime, plural } from "./format.js";
import { empty } from "./panel.js";
import { visible } from "./text.js";

/** Returns the elements that show a plan and where it comes from. */
export function renderPlan(plan, source) {
  if (!plan) return empty("No plan yet. The plan of a statement is captured when it is slow; “Explain now” asks the database.");
  const tree = plan.nodes?.length ? element("div", { class: "scroller" }, branch(build(plan.nodes))) : null;
  const text = element("details", { open: !tree }, element("summary", {}, "As the database printed it"), element("pre", { class: "plan-text", tabindex: "0" }, visible(plan.text)));
  return [source ? element("p", { class: "note" }, sentence(visible(source))) : null, tree, text].filter(Boolean);
}

const TIME = /\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g;
const sentence = (text) => {
  const readable = text.replace(TIME, (time) => dayAndTime(time));
  return `${readable[0]?.toUpperCase() ?? ""}${readable.slice(1)}${/[.!]$/.test(readable) ? "" : "."}`;
};

// The flat list of nodes with depths, as a tree.
function build(nodes) {
  const roots = [];
  const path = [];
  for (const node of nodes) {
    const entry = { node, children: [] };
    while (path.length && path.at(-1).node.depth >= node.depth) path.pop();
    (path.at(-1)?.children ?? roots).push(entry);
    path.push(entry);
  }
  return roots;
}

function branch(entries) {
  return element("ul", { class: "plan" }, ...entries.map(({ node, children }) => element("li", {},
    element("div", { class: "plan-node", "data-level": node.costly ? "bad" : null },
      element("span", { class: "plan-what" }, visible(node.text)),
      node.costly ? element("span", { class: "tag", "data-level": "bad" }, "costly") : null,
      element("span", { class: "plan-figures" }, figures(node))),
    children.length ? branch(children) : null)));
}

function figures({ cost, rows }) {
  return [rows !== null && rows !== undefined && `${plural(rows, "row")}`, cost !== null && cost !== undefined && `cost ${count(Math.round(cost))}`].filter(Boolean).join(" · ");
}
