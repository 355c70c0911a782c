// The page of one statement: its text, its times, its plan, where it is called, its events and findings.

import { ask } from "./ask.js";
import { byId, element, isHeld, renderIfChanged, setText } from "./dom.js";
import { eventRow, eventTable } from "./activity.js";
import { renderFinding } from "./findings.js";
import { count, duration, NONE, percent, plural, rate } from "./format.js";
import { copyable, empty } from "./panel.js";
import { renderPlan } from "./plan.js";
import { describeWindow } from "./statements.js";
import { Slots } from "./slots.js";
import { visible } from "./text.js";

/** Ticks between two looks at the figures. */
const EVERY = 5;

export class StatementPage {
  #node = byId("statement");
  #fingerprint = null;
  #parts = null;
  #ticks = 0;
  #explained = null;
  /** Explaining needs a connection, which a page that watches from outside lacks. */
  hasDatabase = true;

  /** Opens the page of a statement and sets the focus to its title. */
  async open(fingerprint) {
    this.#fingerprint = fingerprint;
    this.#parts = null;
    this.#explained = null;
    this.#ticks = 0;
    this.#frame(element("p", { class: "empty" }, "Looking …"));
    await this.#load();
    byId("statement-title").focus({ preventScroll: true });
  }

  close() {
    this.#fingerprint = null;
    this.#node.replaceChildren();
  }

  /** Called with each tick. */
  tick({ window }) {
    this.window = window;
    if (!this.#fingerprint) return;
    this.#ticks += 1;
    if (this.#ticks % EVERY === 0) this.#load();
  }

  #frame(...children) {
    this.title = element("h1", { id: "statement-title", tabindex: "-1" }, "Statement");
    this.subtitle = element("p", { class: "dim" }, "");
    this.#node.replaceChildren(element("a", { class: "back", href: "#/" }, "← All statements"), this.title, this.subtitle, ...children);
  }

  async #load() {
    const fingerprint = this.#fingerprint;
    try {
      const statement = await ask(`live/statements/${encodeURIComponent(fingerprint)}`);
      if (fingerprint === this.#fingerprint) this.#show(statement);
    } catch (problem) {
      if (fingerprint !== this.#fingerprint || this.#parts) return;
      this.#frame(empty(problem.status === 404 ? "This statement is not known, or no longer: statistics of seldom ones make room for others." : visible(problem.message)));
    }
  }

  #show(statement) {
    this.#parts ??= this.#build(statement);
    const parts = this.#parts;
    parts.explain.hidden = !this.hasDatabase;
    setText(this.title, visible(statement.summary) || "Statement");
    setText(this.subtitle, `fingerprint ${visible(statement.fingerprint)}`);
    parts.fill(statement, this.window ?? 300);
    renderIfChanged(parts.calls, [statement.at, statement.failures], () => renderCalls(statement));
    parts.events.update(statement.events ?? []);
    parts.eventPanel.hidden = !statement.events?.length;
    if (!isHeld(parts.findings)) renderIfChanged(parts.findings, statement.findings ?? [], (all) => (all.length ? all.map(renderFinding) : empty("No N+1 loop and no repeated read.")));
    if (!this.#explained) renderIfChanged(parts.plan, [statement.plan, statement.plan_source], () => renderPlan(statement.plan, statement.plan_source));
  }

  #build(statement) {
    const times = timesTable();
    const calls = element("div", {});
    const findings = element("div", {});
    const plan = element("div", { id: "plan-body" });
    const explain = element("button", { class: "button", type: "button", onclick: () => this.#explain(explain) }, "Explain now");
    const events = eventTable("Events of this statement, the newest first");
    const eventPanel = panel("Slow and failed", element("div", { class: "window", tabindex: "0", role: "region", "aria-label": "Events of this statement" }, events.table));
    const text = panel("Text", element("div", { class: "full-text" }, copyable(statement.text)));
    const timesPanel = panel("Times", times.table);
    timesPanel.classList.add("times-panel");
    text.classList.add("text-panel");
    this.#frame(element("div", { class: "columns" }, element("div", { class: "wide" }, text, panelWith("Plan", explain, plan), eventPanel),
      element("div", { class: "side" }, timesPanel, panel("Called at", calls), panel("Findings", findings))));
    return { fill: times.fill, explain, calls, findings, plan, events: new Slots(events.body, eventRow), eventPanel };
  }

  async #explain(button) {
    const fingerprint = this.#fingerprint;
    setText(button, "Explaining …");
    let answer;
    try {
      const { plan, plan_source: source, source: other } = await ask(`live/statements/${encodeURIComponent(fingerprint)}/plan`);
      answer = renderPlan(plan, source ?? other ?? "explained just now");
    } catch (problem) {
      answer = empty(visible(problem.message));
    }
    if (fingerprint !== this.#fingerprint) return;
    this.#explained = answer;
    this.#parts.plan.replaceChildren(...[answer].flat());
    setText(button, "Explain again");
  }
}

function panel(title, ...children) {
  return panelWith(title, null, ...children);
}

function panelWith(title, tool, ...children) {
  return element("section", { class: "panel", "aria-label": title },
    element("header", { class: "panel-head" }, element("h2", {}, title), element("span", { class: "grow" }), tool), ...children);
}

const FIGURES = [
  ["Share", (one) => percent(one.share ?? 0)], ["Total", (one) => duration(one.total)], ["Calls", (one) => count(one.calls)], ["Rate", (one) => rate(one.rate)],
  ["p50", (one) => duration(one.p50)], ["p95", (one) => duration(one.p95)], ["p99", (one) => duration(one.p99)], ["Rows", (one) => count(one.rows)], ["Errors", (one) => count(one.errors)],
];

// Where the time of the whole run went.
const whereTimeWent = ({ total, executed, fetched, decoded, waited, max }) =>
  `The slowest took ${duration(max)}. Of ${duration(total)} in all, ${duration(executed)} passed until the first row, ${duration(fetched)} while rows arrived ` +
  `and ${duration(decoded)} in decoding. Before that, sessions waited ${duration(waited)} for a connection.`;

/** The times in the window and in the whole run, side by side. */
function timesTable() {
  const recent = element("th", { scope: "col", class: "number" });
  const rows = FIGURES.map(([name, text]) => ({ name, text, recent: element("td", { class: "number" }), whole: element("td", { class: "number" }) }));
  const facts = element("p", { class: "note" });
  const table = element("div", {}, element("table", { class: "times" }, element("caption", { class: "visually-hidden" }, "Times of this statement"),
    element("thead", {}, element("tr", {}, element("td", {}), recent, element("th", { scope: "col", class: "number" }, "whole run"))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, element("th", { scope: "row" }, row.name), row.recent, row.whole)))), facts);
  const fill = (statement, window) => {
    setText(recent, describeWindow(window));
    for (const row of rows) {
      setText(row.recent, statement.window ? row.text(statement.window) : NONE);
      setText(row.whole, row.text(statement));
    }
    setText(facts, whereTimeWent(statement));
  };
  return { table, fill };
}

function renderCalls({ at, failures = [] }) {
  const site = at ? element("p", { class: "call-site" }, element("code", {}, visible(at))) : empty("The call site is not known: the statement ran without one.");
  if (!failures.length) return site;
  return [site, element("ul", { class: "failures" }, ...failures.map(([kind, times]) => element("li", {}, element("span", { class: "failure" }, visible(kind)), ` ${plural(times, "time")}`)))];
}
