// One chart over time: title, newest value, legend with the values at the cursor, canvas, text alternative.

import uPlot from "./uPlot.esm.js";
import { element, setAttribute, setText } from "./dom.js";
import { NONE, timeOfDay, timeOfDayMinutes } from "./format.js";

const HEIGHT = 148;
const GUTTER = 52;
const RIGHT = 18;
const SYNC = "time";
/** Seconds between two labels of the time axis. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

// Labels of the time axis, without one that the right edge would cut.
function timeLabels(plot, splits, axis, space, step) {
  const [text, half] = step < 60 ? [timeOfDay, 25] : [timeOfDayMinutes, 16];
  const edge = plot.width - GUTTER;
  return splits.map((time) => (plot.valToPos(time, "x") + half > edge ? null : text(time)));
}

/**
 * A chart of `definition`: `{ id, title, series: [{ name, tone, value(sample), text(value), kind }], headline(sample),
 * axisText(value), scale }`. A series' kind is `line`, `area`, `dashed`, `steps` or `marks`.
 */
export class Chart {
  #definition;
  #plot;
  #times = [];
  #values = [];
  #listeners;

  /** `listeners`: `zoom` with the times chosen or null, `point` with the time under the cursor or null. */
  constructor(definition, listeners) {
    this.#definition = definition;
    this.#listeners = listeners;
    this.node = this.#build();
    new ResizeObserver(() => this.#resize()).observe(this.canvas);
  }

  #build() {
    const { id, title, series } = this.#definition;
    this.now = element("span", { class: "now" }, NONE);
    this.unit = element("span", { class: "unit" });
    this.legend = series.map((one) => {
      const swatch = element("span", { class: `swatch ${one.kind} ${one.tone}`, "aria-hidden": "true" });
      const value = element("span", { class: "value" }, NONE);
      return { swatch, value, node: element("li", {}, swatch, element("span", { class: "name" }, one.name), value) };
    });
    this.summary = element("figcaption", { class: "visually-hidden" });
    this.canvas = element("div", {
      class: "canvas", tabindex: "0", role: "slider", "aria-label": `${title}: time under the cursor`,
      "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0", "aria-valuetext": "no values yet",
      onkeydown: (event) => this.#key(event), onblur: () => this.#plot?.setCursor({ left: -10, top: -10 }),
    });
    return element("figure", { class: "chart", id, tabindex: "-1", "aria-label": title },
      element("div", { class: "chart-head" }, element("h3", {}, title),
        element("p", { class: "headline" }, this.now, this.unit)),
      element("ul", { class: "legend" }, ...this.legend.map((one) => one.node)),
      this.canvas, this.summary);
  }

  // Colours of the canvas come from the style sheet, where both themes are.
  #color(node) {
    return getComputedStyle(node).color;
  }

  #create() {
    const { series, axisText, scale } = this.#definition;
    const dim = () => getComputedStyle(this.canvas).color;
    const grid = () => getComputedStyle(this.canvas).borderTopColor;
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    this.#plot = new uPlot({
      width: Math.max(this.canvas.clientWidth, 100), height: HEIGHT, pxAlign: 1, legend: { show: false }, padding: [10, RIGHT, 0, 0],
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, sync: { key: SYNC, setSeries: false }, points: { size: 6 } },
      scales: {
        x: { time: true },
        y: { distr: scale.distribution, range: (plot, lowest, highest) => scale.range(lowest, highest) },
        marks: { range: (plot, lowest, highest) => [0, Math.max(highest ?? 0, 1) * 8] },
      },
      axes: [
        { stroke: dim, font, size: 24, gap: 6, space: 56, incrs: STEPS, grid: { show: false }, ticks: { stroke: grid, width: 1, size: 4 },
          values: timeLabels },
        { stroke: dim, font, size: GUTTER, gap: 8, ticks: { show: false }, grid: { stroke: grid, width: 1 },
          filter: (plot, splits) => splits, splits: (plot, axis, bottom, top) => scale.lines(bottom, top), values: (plot, splits) => splits.map(axisText) },
      ],
      series: [{}, ...series.map((one, index) => this.#line(one, this.legend[index].swatch))],
      hooks: { setCursor: [() => this.#point()], setSelect: [(plot) => this.#select(plot)] },
    }, [this.#times, ...this.#values], this.canvas);
    this.#plot.over.addEventListener("dblclick", () => this.#listeners.zoom(null));
  }

  #line(one, swatch) {
    const stroke = () => this.#color(swatch);
    const line = { scale: one.kind === "marks" ? "marks" : "y", stroke, width: 1.5, points: { show: false }, spanGaps: false };
    if (one.kind === "dashed") line.dash = [4, 4];
    if (one.kind === "thick") line.width = 2;
    if (one.kind === "area" || one.kind === "steps") line.fill = () => this.#color(swatch).replace("rgb(", "rgba(").replace(")", ", 0.12)");
    if (one.kind === "steps") line.paths = uPlot.paths.stepped({ align: 1 });
    if (one.kind === "marks") Object.assign(line, { paths: uPlot.paths.bars({ size: [0.6, 6, 2] }), fill: stroke, width: 0 });
    return line;
  }

  /** Draws these samples between the two times. */
  draw(samples, from, to) {
    this.#times = samples.map((sample) => sample.t);
    this.#values = this.#definition.series.map((one) => samples.map((sample) => (sample.isGap ? null : one.value(sample) ?? null)));
    if (!this.#plot) this.#create();
    this.#plot.batch(() => {
      this.#plot.setData([this.#times, ...this.#values], false);
      this.#plot.setScale("x", { min: from, max: to });
    });
    const headline = this.#definition.headline(samples.at(-1));
    setText(this.now, headline.value);
    setText(this.unit, headline.unit);
    this.#showValues();
    setText(this.summary, this.#describe());
  }

  redraw() {
    this.#plot?.redraw(false, true);
  }

  /** Forgets the height of the scale, for another range. */
  rescale() {
    this.#definition.scale.reset();
  }

  #resize() {
    const width = this.canvas.clientWidth;
    if (this.#plot && width && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  #point() {
    this.#showValues();
    const index = this.#plot?.cursor.idx;
    this.#listeners.point(this.#times[index] ?? null);
  }

  #showValues() {
    const pointed = this.#plot?.cursor.idx;
    const index = pointed ?? this.#times.length - 1;
    this.#definition.series.forEach((one, number) => {
      setText(this.legend[number].value, one.text(this.#values[number][index] ?? null));
    });
    setAttribute(this.node, "data-pointed", pointed === null || pointed === undefined ? null : "");
    setAttribute(this.canvas, "aria-valuemax", Math.max(this.#times.length - 1, 0));
    setAttribute(this.canvas, "aria-valuenow", Math.max(index, 0));
    setAttribute(this.canvas, "aria-valuetext", this.#at(index));
  }

  #at(index) {
    if (index < 0) return "no values yet";
    const values = this.#definition.series.map((one, number) => `${one.name} ${one.text(this.#values[number][index] ?? null)}`);
    return `${timeOfDay(this.#times[index])}: ${values.join(", ")}`;
  }

  #describe() {
    if (!this.#times.length) return "No values yet.";
    const { title, series } = this.#definition;
    const parts = series.map((one, number) => {
      const known = this.#values[number].filter((value) => value !== null);
      if (!known.length) return `${one.name}: no values`;
      return `${one.name}: now ${one.text(known.at(-1))}, lowest ${one.text(Math.min(...known))}, highest ${one.text(Math.max(...known))}`;
    });
    return `${title} from ${timeOfDay(this.#times[0])} to ${timeOfDay(this.#times.at(-1))}. ${parts.join("; ")}.`;
  }

  #select(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const range = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#listeners.zoom(range);
  }

  #key(event) {
    const last = this.#times.length - 1;
    const index = this.#plot?.cursor.idx ?? last;
    const move = { ArrowLeft: index - 1, ArrowRight: index + 1, PageUp: index - 30, PageDown: index + 30, Home: 0, End: last };
    if (event.key === "Escape") this.#listeners.zoom(null);
    else if (!(event.key in move) || last < 0) return;
    else {
      const visible = this.#times.findIndex((time) => time >= this.#plot.scales.x.min);
      const wanted = Math.min(Math.max(move[event.key], visible, 0), last);
      this.#plot.setCursor({ left: this.#plot.valToPos(this.#times[wanted], "x"), top: 10 });
    }
    event.preventDefault();
  }
}
