// A small line of the last values, the newest at the right.

import { setAttribute, svg } from "./dom.js";
import { rate } from "./format.js";

const WIDTH = 88;
const HEIGHT = 20;

export function sparkline() {
  const line = svg("polyline", { points: "" });
  const node = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": "no calls" }, line);
  return { node, update: (values) => update(node, line, values) };
}

function update(node, line, values) {
  const top = Math.max(...values, 0) || 1;
  const step = (WIDTH - 2) / Math.max(values.length - 1, 1);
  const points = values.map((value, index) => `${(1 + index * step).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`);
  setAttribute(line, "points", points.join(" "));
  const [least, most] = [Math.min(...values), Math.max(...values)];
  setAttribute(node, "aria-label", values.length ? `calls: ${rate(least)} to ${rate(most)}` : "no calls");
}
