// The charts over time: their range, their zoom, and what each shows.

import { Chart } from "./chart.js";
import { byId, setAttribute, setText } from "./dom.js";
import { axisDuration, count, duration, rate, timeOfDay } from "./format.js";
import { Linear, Logarithmic } from "./scale.js";
import { visible } from "./text.js";

const THROUGHPUT = {
  id: "throughput", title: "Throughput", scale: new Linear(4), axisText: count,
  headline: (sample) => ({ value: rate(sample?.rate), unit: "statements" }),
  series: [
    { name: "statements", tone: "tone-1", kind: "area", value: (sample) => sample.rate, text: rate },
    { name: "errors", tone: "tone-bad", kind: "marks", value: (sample) => sample.errors, text: rate },
  ],
};

const LATENCY = {
  id: "latency", title: "Latency", scale: new Logarithmic(), axisText: axisDuration,
  headline: (sample) => ({ value: duration(sample?.p99), unit: "p99, on a logarithmic scale" }),
  series: [
    { name: "p50", tone: "tone-3", kind: "dashed", value: (sample) => sample.p50 || null, text: duration },
    { name: "p95", tone: "tone-2", kind: "line", value: (sample) => sample.p95 || null, text: duration },
    { name: "p99", tone: "tone-1", kind: "thick", value: (sample) => sample.p99 || null, text: duration },
  ],
};

const POOL = {
  id: "pool", title: "Pool", scale: new Linear(2), axisText: count,
  headline: (sample) => ({ value: count(sample?.in_use), unit: `of ${count(sample?.limit)} in use` }),
  series: [
    { name: "in use", tone: "tone-1", kind: "steps", value: (sample) => sample.in_use, text: count },
    { name: "waiting", tone: "tone-bad", kind: "steps", value: (sample) => sample.waiting, text: count },
    { name: "limit", tone: "tone-3", kind: "dashed", value: (sample) => sample.limit, text: count },
  ],
};

const LAG_LOOKS = [["tone-1", "thick"], ["tone-2", "line"], ["tone-3", "dashed"], ["tone-1", "dashed"], ["tone-2", "dashed"]];

function lagOf(replicas) {
  return {
    id: "lag", title: "Replica lag", scale: new Linear(0.1), axisText: axisDuration,
    headline: (sample) => {
      const lags = Object.entries(sample?.lag ?? {}).filter(([, lag]) => lag !== null);
      const [name, lag] = lags.reduce((worst, one) => (one[1] > worst[1] ? one : worst), ["", -1]);
      return lag < 0 ? { value: duration(null), unit: "not known" } : { value: duration(lag), unit: visible(name) };
    },
    series: replicas.map((name, index) => ({
      name: visible(name), tone: LAG_LOOKS[index % LAG_LOOKS.length][0], kind: LAG_LOOKS[index % LAG_LOOKS.length][1],
      value: (sample) => sample.lag?.[name], text: duration,
    })),
  };
}

export class Charts {
  #history;
  #charts;
  #replicas = "";
  #lag = null;
  #seconds = 300;
  #zoom = null;
  #isZooming = false;
  #pointed = null;
  #container = byId("charts");

  constructor(history) {
    this.#history = history;
    this.#charts = [THROUGHPUT, LATENCY, POOL].map((definition) => this.#chart(definition));
    this.#container.append(...this.#charts.map((chart) => chart.node));
    for (const button of document.querySelectorAll("[data-range]")) {
      button.addEventListener("click", () => this.#choose(Number(button.dataset.range)));
    }
    byId("zoom-out").addEventListener("click", () => this.#setZoom(null));
  }

  #chart(definition) {
    return new Chart(definition, {
      zoom: (range) => this.#zoomOnce(range),
      point: (time) => {
        this.#pointed = time;
        this.#showSpan();
      },
    });
  }

  /** Draws what the history holds. */
  update() {
    const newest = this.#history.newest;
    if (!newest) return;
    // One server has no replica, so nothing can lag: then there is no fourth chart.
    const replicas = Object.keys(newest.lag ?? {}).sort();
    if (JSON.stringify(replicas) !== this.#replicas) this.#replaceLag(replicas);
    const samples = this.#history.view(this.#seconds);
    const [from, to] = this.#zoom ?? [newest.t - this.#history.span(this.#seconds), newest.t];
    for (const chart of [...this.#charts, this.#lag]) chart?.draw(samples, from, to);
    this.#showSpan();
  }

  #showSpan() {
    const [from, to] = this.#zoom ?? [];
    const range = this.#zoom ? `${timeOfDay(from)} to ${timeOfDay(to)}` : "drag over a chart to zoom";
    setText(byId("time-span"), this.#pointed === null ? range : `at ${timeOfDay(this.#pointed)}`);
  }

  redraw() {
    for (const chart of [...this.#charts, this.#lag]) chart?.redraw();
  }

  #replaceLag(replicas) {
    this.#replicas = JSON.stringify(replicas);
    this.#lag?.node.remove();
    this.#lag = replicas.length ? this.#chart(lagOf(replicas)) : null;
    if (this.#lag) this.#container.append(this.#lag.node);
  }

  #choose(seconds) {
    this.#seconds = seconds;
    for (const button of document.querySelectorAll("[data-range]")) {
      setAttribute(button, "aria-pressed", String(Number(button.dataset.range) === seconds));
    }
    for (const chart of [...this.#charts, this.#lag]) chart?.rescale();
    this.#setZoom(null);
  }

  // One drag selects in all charts, one after the other: the first counts, before the scale changes under the others.
  #zoomOnce(range) {
    if (this.#isZooming) return;
    this.#isZooming = true;
    queueMicrotask(() => {
      this.#isZooming = false;
      this.#setZoom(range);
    });
  }

  #setZoom(range) {
    this.#zoom = range;
    byId("zoom-out").hidden = !range;
    this.update();
  }
}
