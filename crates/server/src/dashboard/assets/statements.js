// The table of statements: sorted by any column, filtered, with rows that keep their identity.

import { byId, element, isHeld, setAttribute, setProperty, setText } from "./dom.js";
import { count, duration, percent, plural, rate } from "./format.js";
import { empty, setCount, statementCell } from "./panel.js";
import { sparkline } from "./sparkline.js";

/** Rows shown before somebody asks for all. */
const FIRST = 12;
/** Milliseconds between two changes of the order, so that rows do not jump. */
const SETTLE = 10000;
/** The part by which a row must exceed the one above to take its place. */
const LITTLE = 0.1;

const NOTHING = "Nothing ran in this window yet. Figures appear as soon as the program asks its database for something.";

const COLUMNS = [
  { id: "text", name: "Statement", of: (one) => one.text, first: "ascending" },
  { id: "share", name: "Time", of: (one) => one.share, title: "Part of all time in the window" },
  { id: "spark", name: "Calls over time" },
  { id: "rate", name: "Calls", of: (one) => one.rate, text: (one) => rate(one.rate) },
  { id: "p50", name: "p50", of: (one) => one.p50, text: (one) => duration(one.p50) },
  { id: "p95", name: "p95", of: (one) => one.p95, text: (one) => duration(one.p95) },
  { id: "p99", name: "p99", of: (one) => one.p99, text: (one) => duration(one.p99) },
  { id: "rows", name: "Rows", of: (one) => one.rows, text: (one) => count(one.rows) },
  { id: "errors", name: "Errors", of: (one) => one.errors, text: (one) => count(one.errors) },
];

export class Statements {
  #rows = new Map();
  #statements = [];
  #total = 0;
  #window = 0;
  #sort = { column: COLUMNS[1], direction: "descending" };
  #showsAll = false;
  #sortedAt = -SETTLE;
  /** The fingerprints in the order of the last time. */
  #order = [];
  #filter = byId("filter");
  #body = element("tbody");
  #heads = new Map();
  #none = empty();
  #more = element("button", { class: "button more", type: "button", hidden: true, onclick: () => this.#toggle() });

  constructor() {
    const heads = COLUMNS.map((column) => this.#head(column));
    this.table = element("table", { class: "statements" },
      element("caption", { class: "visually-hidden" }, "Statements of the window. The arrow keys move between rows, Enter opens a statement."),
      element("colgroup", {}, ...COLUMNS.map((column) => element("col", { class: `column-${column.id}` }))),
      element("thead", {}, element("tr", {}, ...heads)), this.#body);
    byId("statements-body").append(this.table, this.#none, this.#more);
    this.#filter.addEventListener("input", () => this.#arrange(true));
    this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("click", (event) => open(event));
    this.#showSort();
  }

  update({ statements, statements_total: total, window }) {
    this.#window = window;
    this.#statements = statements;
    this.#total = total;
    const seen = new Set();
    for (const statement of statements) {
      seen.add(statement.fingerprint);
      const row = this.#rows.get(statement.fingerprint) ?? this.#add(statement);
      fill(row, statement);
    }
    for (const [fingerprint, row] of this.#rows) {
      if (seen.has(fingerprint) || isHeld(row.node)) continue;
      row.node.remove();
      this.#rows.delete(fingerprint);
    }
    this.#arrange(false);
  }

  /** Sets the focus to the row of a statement, if there is one. */
  focus(fingerprint) {
    const row = this.#rows.get(fingerprint);
    if (row?.node.isConnected) row.cell.link.focus({ preventScroll: true });
    else byId("statements").focus({ preventScroll: true });
  }

  #head(column) {
    const head = element("th", { scope: "col", class: `column-${column.id}` });
    if (!column.of) head.append(element("span", { class: "sort" }, column.name));
    else {
      head.append(element("button", { type: "button", class: "sort", title: column.title, onclick: () => this.#sortBy(column) }, column.name,
        element("span", { class: "arrow", "aria-hidden": "true" })));
    }
    this.#heads.set(column.id, head);
    return head;
  }

  #add(statement) {
    const cell = statementCell();
    const spark = sparkline();
    const share = element("span", { class: "figure" });
    const bar = element("span", { class: "bar-of-share", "aria-hidden": "true" });
    const cells = {};
    const node = element("tr", { "data-fingerprint": statement.fingerprint }, ...COLUMNS.map((column) => {
      if (column.id === "text") return element("th", { scope: "row" }, cell.node);
      const td = element("td", { class: `column-${column.id}` });
      if (column.id === "share") td.append(share, bar);
      else if (column.id === "spark") td.append(spark.node);
      else cells[column.id] = td;
      return td;
    }));
    const row = { node, cell, spark, share, bar, cells };
    this.#rows.set(statement.fingerprint, row);
    return row;
  }

  #sortBy(column) {
    const isSame = this.#sort.column === column;
    const direction = isSame ? (this.#sort.direction === "descending" ? "ascending" : "descending") : column.first ?? "descending";
    this.#sort = { column, direction };
    this.#showSort();
    this.#arrange(true);
  }

  #showSort() {
    for (const column of COLUMNS) {
      setAttribute(this.#heads.get(column.id), "aria-sort", column === this.#sort.column ? this.#sort.direction : null);
    }
  }

  #toggle() {
    this.#showsAll = !this.#showsAll;
    this.#arrange(true);
  }

  #matching() {
    const wanted = this.#filter.value.trim().toLowerCase();
    if (!wanted) return this.#statements;
    return this.#statements.filter((one) => `${one.text} ${one.summary} ${one.at ?? ""}`.toLowerCase().includes(wanted));
  }

  // Puts rows into their order: at once if somebody asked for it, else seldom, and never under a pointer or the focus.
  #arrange(isAsked) {
    const matching = this.#matching();
    const isShort = this.#body.childElementCount < Math.min(matching.length, FIRST);
    const isDue = performance.now() - this.#sortedAt > SETTLE && !isHeld(this.table);
    if (!isAsked && !isDue && !isShort) return;
    this.#sortedAt = performance.now();
    const sorted = isAsked ? this.#sorted(matching) : this.#resorted(matching);
    this.#order = sorted.map((one) => one.fingerprint);
    const shown = this.#showsAll ? sorted : sorted.slice(0, FIRST);
    place(this.#body, shown.map((one) => this.#rows.get(one.fingerprint).node));
    this.#rove();
    this.#none.hidden = matching.length > 0;
    setText(this.#none, this.#filter.value.trim() ? "No statement matches the filter." : NOTHING);
    this.#more.hidden = sorted.length <= FIRST;
    setText(this.#more, this.#showsAll ? `Show the first ${FIRST}` : `Show all ${sorted.length}`);
    const cut = this.#total > this.#statements.length ? `${this.#statements.length} of ${count(this.#total)}` : count(this.#total);
    setText(byId("statements-window"), describeWindow(this.#window));
    setCount(byId("statements-count"), this.#filter.value ? `${matching.length} of ${cut}` : cut);
  }

  #sorted(statements) {
    const sign = this.#sort.direction === "ascending" ? 1 : -1;
    const { of } = this.#sort.column;
    return [...statements].sort((a, b) => sign * compare(of(a), of(b)) || compare(a.fingerprint, b.fingerprint));
  }

  // The order as it was, but for those that are ahead of another by more than a little.
  #resorted(statements) {
    const known = new Map(this.#order.map((fingerprint, index) => [fingerprint, index]));
    const list = this.#sorted(statements).sort((a, b) => (known.get(a.fingerprint) ?? Infinity) - (known.get(b.fingerprint) ?? Infinity) || 0);
    const { of } = this.#sort.column;
    const isDescending = this.#sort.direction === "descending";
    for (let end = 1; end < list.length; end += 1) {
      for (let at = end; at > 0; at -= 1) {
        const [before, after] = [of(list[at - 1]), of(list[at])];
        if (!(isDescending ? isAhead(after, before) : isAhead(before, after))) break;
        [list[at - 1], list[at]] = [list[at], list[at - 1]];
      }
    }
    return list;
  }

  // One row is reached with Tab; the arrow keys move on.
  #rove() {
    const links = [...this.#body.querySelectorAll("a.sql")];
    const current = links.find((link) => link === document.activeElement) ?? links[0];
    for (const link of links) setAttribute(link, "tabindex", link === current ? "0" : "-1");
  }

  #key(event) {
    const links = [...this.#body.querySelectorAll("a.sql")];
    const index = links.indexOf(document.activeElement);
    const target = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: links.length - 1 }[event.key];
    if (index < 0 || target === undefined) return;
    event.preventDefault();
    links[Math.min(Math.max(target, 0), links.length - 1)].focus();
    this.#rove();
  }
}

// Greater by more than a little, so that equals do not change places again and again.
function isAhead(a, b) {
  return typeof a === "string" ? a > b : (a ?? 0) > (b ?? 0) * (1 + LITTLE);
}

function compare(a, b) {
  if (typeof a === "string") return a < b ? -1 : a > b ? 1 : 0;
  return (a ?? -1) - (b ?? -1);
}

// Moves as few rows as possible, so that the focus and the layout stay.
function place(body, nodes) {
  const wanted = new Set(nodes);
  for (const node of [...body.children]) if (!wanted.has(node)) node.remove();
  nodes.forEach((node, index) => {
    if (body.children[index] !== node) body.insertBefore(node, body.children[index] ?? null);
  });
}

function fill(row, statement) {
  row.cell.fill(statement, statement.finding ? "N+1" : "");
  setText(row.share, percent(statement.share));
  setProperty(row.bar, "--share", statement.share.toFixed(3));
  row.spark.update(statement.spark);
  for (const column of COLUMNS) if (row.cells[column.id]) setText(row.cells[column.id], column.text(statement));
  setAttribute(row.cells.errors, "data-level", statement.errors ? "bad" : "none");
}

// A click anywhere in a row opens its statement, unless it ends a selection of text.
function open(event) {
  const row = event.target.closest("tr");
  if (!row || event.target.closest("a") || String(getSelection())) return;
  row.querySelector("a.sql").click();
}

export const describeWindow = (seconds) => `last ${seconds < 90 ? plural(Math.round(seconds), "second") : plural(Math.round(seconds / 60), "minute")}`;
