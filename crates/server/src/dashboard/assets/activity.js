// Statements that run now, and the latest that were slow or failed.

import { byId, element, setAttribute, setText } from "./dom.js";
import { count, duration, NONE, timeOfDay } from "./format.js";
import { empty, setCount, statementCell, tableHead } from "./panel.js";
import { row, Slots } from "./slots.js";
import { visible } from "./text.js";

/** Rows of the list of running statements, which keeps its height. */
const RUNNING = 3;
/** Seconds after which a running statement is marked. */
const LONG = 1;

export class Running {
  #slots;
  #none = empty("Nothing runs at this moment.");

  constructor() {
    const body = element("tbody");
    byId("running-body").append(element("table", { class: "running" },
      ...tableHead("Statements that run now, the longest first", [["Statement", "wide-column"], ["For", "number"]]), body), this.#none);
    this.#slots = new Slots(body, runningRow);
  }

  update(running) {
    const longest = [...running].sort((a, b) => b.running - a.running);
    this.#slots.update(longest.slice(0, RUNNING), RUNNING);
    setCount(byId("running-count"), count(running.length), running.some((one) => one.running >= LONG) ? "warn" : null);
    this.#none.classList.toggle("shown", running.length === 0);
  }
}

function runningRow() {
  const cell = statementCell();
  const time = element("td", { class: "number" });
  return {
    node: row(element("th", { scope: "row" }, cell.node), time),
    fill(one) {
      cell.fill(one, one.running >= LONG ? "long" : "");
      setText(time, duration(one.running));
      setAttribute(time, "data-level", one.running >= LONG ? "warn" : null);
    },
    clear() {
      cell.fill({ text: "", fingerprint: null, at: "\u00a0" });
      setText(time, "");
      setAttribute(time, "data-level", null);
    },
  };
}

export class Events {
  #slots;
  #events = [];
  #which = "all";
  #none = empty();
  #body = byId("events-body");

  constructor() {
    const { table, body } = eventTable("Statements that were slow or failed, the newest first");
    this.table = table;
    this.#body.append(table, this.#none);
    this.#slots = new Slots(body, eventRow);
    for (const button of document.querySelectorAll("[data-events]")) button.addEventListener("click", () => this.#choose(button.dataset.events));
  }

  update(events) {
    this.#events = events;
    const shown = events.filter((one) => this.#which === "all" || (this.#which === "failed") === (one.failure !== null));
    this.#slots.update(shown);
    this.table.hidden = shown.length === 0;
    this.#none.hidden = shown.length > 0;
    // It is low until something happened, and then keeps its height.
    if (events.length) this.#body.classList.add("window");
    setText(this.#none, this.#which === "failed" ? "Nothing failed." : "Nothing was slow. DB_SLOW_QUERY_THRESHOLD sets from how many seconds a statement counts as slow.");
    const failed = events.filter((one) => one.failure !== null).length;
    setCount(byId("events-count"), count(events.length), failed ? "bad" : events.length ? "warn" : null);
  }

  #choose(which) {
    this.#which = which;
    for (const button of document.querySelectorAll("[data-events]")) setAttribute(button, "aria-pressed", String(button.dataset.events === which));
    this.update(this.#events);
  }
}

/** An empty table of events. */
export function eventTable(caption) {
  const body = element("tbody");
  const heads = [["Ended", "time-column"], ["Statement", "wide-column"], ["Took", "number"], ["Waited", "number waited-column"], ["Rows", "number rows-column"]];
  return { table: element("table", { class: "events" }, ...tableHead(caption, heads), body), body };
}

/** A slot for an event. */
export function eventRow() {
  const ended = element("td", { class: "time-column" });
  const cell = statementCell();
  const failure = element("span", { class: "failure" });
  cell.node.append(failure);
  const [took, waited, rows] = ["number", "number waited-column", "number rows-column"].map((kind) => element("td", { class: kind }));
  return {
    node: row(ended, element("th", { scope: "row" }, cell.node), took, waited, rows),
    fill(one) {
      setText(ended, timeOfDay(one.ended));
      cell.fill(one);
      failure.hidden = one.failure === null;
      setText(failure, one.failure === null ? "" : `failed: ${visible(one.failure)}`);
      setText(took, duration(one.took));
      setText(waited, duration(one.waited));
      setText(rows, one.failure === null ? count(one.rows) : NONE);
    },
    clear() {},
  };
}
