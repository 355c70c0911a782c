// Panels that are asked, not pushed: revisions, the doctor, index advice.

import { ask } from "./ask.js";
import { byId, element, renderIfChanged } from "./dom.js";
import { bytes, dayAndTime, duration, plural, timeOfDay } from "./format.js";
import { askOnClick, copyable, empty, mark } from "./panel.js";
import { visible } from "./text.js";

const TEXTS = {
  doctor: ["The doctor looks for what is wrong with the settings and every server. It only reads."],
  advice: ["Looks for indexes that would pay for the statements seen so far, and for those that nothing uses."],
};
// The page watches another program through its socket, and has no connection to its database.
const WATCHED = "This page watches a program from outside and does not know its database. ";
const command = (text) => element("code", {}, text);
const OUTSIDE = {
  doctor: [WATCHED, command("tallybook doctor"), " examines it."],
  advice: [WATCHED, command("tallybook advise"), " asks the program for its statements."],
  revisions: [WATCHED, command("tallybook migrate history"), " lists its revisions."],
};

/** Milliseconds between two looks at the revisions. */
const REVISIONS = 60000;

export class Checks {
  #timer = 0;
  #hasDatabase = null;

  constructor() {
    askOnClick(byId("doctor-ask"), byId("doctor-body"), () => ask("live/doctor"), renderDoctor);
    askOnClick(byId("advice-ask"), byId("advice-body"), () => ask("live/advice"), renderAdvice);
  }

  /** Called at each beginning: a program that is watched from outside cannot be asked. */
  begin({ has_database: hasDatabase }) {
    if (this.#hasDatabase === hasDatabase) return;
    this.#hasDatabase = hasDatabase;
    clearInterval(this.#timer);
    for (const id of ["doctor-ask", "advice-ask"]) byId(id).hidden = !hasDatabase;
    const texts = hasDatabase ? TEXTS : OUTSIDE;
    byId("doctor-body").replaceChildren(empty(...texts.doctor));
    byId("advice-body").replaceChildren(empty(...texts.advice));
    if (hasDatabase) {
      this.#lookAtRevisions();
      this.#timer = setInterval(() => document.hidden || this.#lookAtRevisions(), REVISIONS);
    } else {
      byId("revisions-body").replaceChildren(empty(...texts.revisions));
    }
  }

  async #lookAtRevisions() {
    const body = byId("revisions-body");
    try {
      renderIfChanged(body, await ask("live/revisions"), renderRevisions);
    } catch (problem) {
      renderIfChanged(body, problem.message, (message) => empty(visible(message)));
    }
  }
}

function renderRevisions({ histories }) {
  if (!histories.length) return empty("No history of revisions. tallybook migrate upgrade starts one.");
  return histories.map(({ name, applied, pending }) => element("div", { class: "history" },
    element("p", { class: "state" }, mark(pending.length ? "warn" : "ok"), element("strong", {}, visible(name)),
      element("span", { class: "dim" }, pending.length ? `${plural(pending.length, "revision")} pending` : "up to date")),
    element("ol", { class: "revisions" },
      ...pending.map((one) => revision(one, "pending")).reverse(),
      ...applied.slice(-4).reverse().map((one) => revision(one, dayAndTime(one.applied_at)))),
    applied.length > 4 ? element("p", { class: "note" }, `and ${plural(applied.length - 4, "earlier one")}`) : null,
    pending.length ? copyable("tallybook migrate upgrade") : null));
}

function revision({ id, name }, when) {
  return element("li", {}, element("code", {}, visible(id)), element("span", { class: "revision-name" }, visible(name)), element("span", { class: "dim" }, when));
}

const SEVERITIES = { critical: "bad", warning: "warn", note: "unknown" };

function renderDoctor({ at, findings, passed, skipped }) {
  const all = findings.map(({ severity, check, nodes, what, why, next }) => element("article", { class: "finding" },
    element("h3", {}, element("span", { class: "tag", "data-level": SEVERITIES[severity] ?? "unknown" }, visible(severity)), visible(what)),
    element("p", {}, visible(why), element("span", { class: "dim" }, ` (${[check, ...(nodes ?? [])].map(visible).join(", ")})`)),
    ...next.map(({ kind, text }) => (kind === "text" ? element("p", {}, visible(text)) : copyable(text)))));
  const rest = [`Asked at ${timeOfDay(at)}.`, `${plural(passed.length, "check")} passed.`];
  if (skipped.length) rest.push(`Not checked: ${skipped.map((one) => visible(typeof one === "string" ? one : one.check ?? JSON.stringify(one))).join(", ")}.`);
  if (!all.length) all.push(element("p", { class: "empty state" }, mark("ok"), "Nothing is wrong."));
  return [...all, element("p", { class: "note" }, rest.join(" "))];
}

function renderAdvice(advice) {
  const { watched, add = [], drop = [], refused = [], notes = [], rust } = advice;
  const all = [...add.map(renderAddition), ...drop.map(({ name, table, reason, sql }) => element("article", { class: "finding" },
    element("h3", {}, element("span", { class: "tag", "data-level": "unknown" }, "drop"), `${visible(name)} of ${visible(table)}`),
    element("p", {}, visible(reason)), copyable(sql)))];
  if (!all.length) all.push(empty("No index would pay, and none is useless."));
  if (refused.length) {
    all.push(element("details", {}, element("summary", {}, `${plural(refused.length, "index", "indexes")} considered and refused`),
      element("ul", {}, ...refused.map(({ what, reason }) => element("li", {}, element("code", {}, visible(what)), `: ${visible(reason)}`)))));
  }
  if (rust) all.push(element("details", {}, element("summary", {}, "The revision in Rust"), copyable(rust, "Copy Rust")));
  const limits = [`From ${duration(watched)} of statements, tried on a scratch copy.`, ...notes.map((note) => `${visible(note)}.`)];
  return [...all, element("p", { class: "note" }, limits.join(" "))];
}

/** Returns the gain of a statement: times if it was run, else the part of the planned work. */
const gained = ({ before, after, saving }) =>
  (before === null ? `${Math.round(saving * 100)} % less work` : `${duration(before)} → ${duration(after)}`);

function renderAddition({ table, columns, where, gains = [], write_cost: cost, size_bytes: size, sql }) {
  const name = `${visible(table)} (${columns.map(visible).join(", ")})${where ? ` where ${visible(where)}` : ""}`;
  return element("article", { class: "finding" },
    element("h3", {}, element("span", { class: "tag", "data-level": "warn" }, "add"), name),
    element("ul", { class: "gains" }, ...gains.map((gain) => element("li", {},
      element("span", { class: "gain" }, gained(gain)), element("code", { class: "sql", title: visible(gain.text) }, visible(gain.text))))),
    element("p", { class: "dim" }, `Costs each write ${duration(cost)} and ${bytes(size)}.`),
    copyable(sql, "Copy SQL"));
}
