// Servers and pools.

import { byId, element, renderIfChanged, setAttribute, setProperty, setText } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import { empty, mark, tableHead } from "./panel.js";
import { rowWithDetails, Slots } from "./slots.js";
import { shortSite, visible } from "./text.js";

const LEVELS = { up: "ok", lagging: "warn", suspect: "warn", down: "bad" };

export class Servers {
  #slots;
  #note = element("p", { class: "note" });

  constructor() {
    const table = element("table", { class: "servers" },
      ...tableHead("Servers, their role and state", [["Server", "wide-column"], ["State", "state-column"], ["Lag", "number"]]));
    byId("servers-body").append(table, this.#note);
    this.#slots = new Slots(table, serverRow);
  }

  update(nodes) {
    this.#slots.update(nodes);
    setText(this.#note, nodes.length === 1 ? "One server answers everything: there is no replica that could lag, so there is no chart of it." : "");
    this.#note.hidden = nodes.length !== 1;
  }
}

function serverRow() {
  const name = element("strong", {});
  const role = element("span", { class: "dim" });
  const facts = element("span", { class: "second dim" });
  const shape = mark("unknown");
  const state = element("span", {});
  const since = element("span", { class: "dim" });
  const lag = element("span", {});
  const reason = element("span", { class: "second reason" });
  return {
    node: rowWithDetails(3, [element("th", { scope: "row" }, name, " ", role),
      element("td", { class: "state-column" }, element("span", { class: "state" }, shape, state, since)), element("td", { class: "number" }, lag)], reason, facts),
    fill(node) {
      const level = LEVELS[node.state] ?? "unknown";
      setText(name, visible(node.name));
      setText(role, [node.role !== node.name && node.role, node.zone && `zone ${node.zone}`].filter(Boolean).map(visible).join(", "));
      setText(facts, [`${count(node.served)} served`, `${count(node.fallbacks)} fallbacks`, node.lag_bytes !== null && `${bytes(node.lag_bytes)} behind`, node.latency !== null && `answers in ${duration(node.latency)}`,
        node.log_bytes !== null && `log ${bytes(node.log_bytes)}`].filter(Boolean).join(" · "));
      setText(reason, node.reason ? visible(node.reason) : "");
      reason.hidden = !node.reason;
      setAttribute(reason, "data-level", level === "ok" ? null : level);
      setAttribute(shape, "data-level", level);
      setText(state, visible(node.state));
      setText(since, `for ${duration(node.since)}`);
      setText(lag, node.lag === null ? (node.role === "replica" ? "not known" : "–") : duration(node.lag));
      setAttribute(lag, "data-level", node.lag !== null && level === "warn" ? "warn" : null);
    },
    clear() {},
  };
}

export class Pools {
  #slots;
  #none = empty("This program has no pool.");

  constructor() {
    const table = element("table", { class: "pools" },
      ...tableHead("Pools of connections", [["Pool", "wide-column"], ["In use", "use-column"], ["Waiting", "number"], ["Wait p99", "number"]]));
    byId("pools-body").append(table, this.#none);
    this.#slots = new Slots(table, poolRow);
  }

  update(pools) {
    this.#slots.update(pools);
    this.#none.hidden = pools.length > 0;
  }
}

function poolRow() {
  const name = element("strong", {});
  const holder = element("span", { class: "second dim" });
  const use = element("span", { class: "figure" });
  const bar = element("span", { class: "bar-of-share", "aria-hidden": "true" });
  const [waiting, wait] = [0, 1].map(() => element("td", { class: "number" }));
  return {
    node: rowWithDetails(4, [element("th", { scope: "row" }, name), element("td", { class: "use-column" }, use, bar), waiting, wait], holder),
    fill(pool) {
      setText(name, visible(pool.name));
      const facts = [`held p99 ${duration(pool.hold_p99)}`];
      if (pool.timeouts) facts.push(`${count(pool.timeouts)} timed out`);
      if (pool.longest) facts.push(`longest now ${duration(pool.longest.held)} by ${shortSite(pool.longest.at)}`);
      setText(holder, facts.join(" · "));
      setAttribute(holder, "title", facts.join(" · "));
      setText(use, `${count(pool.in_use)} of ${count(pool.limit)}`);
      const part = pool.limit ? pool.in_use / pool.limit : 0;
      setProperty(bar, "--share", part.toFixed(3));
      setAttribute(bar, "data-level", part >= 1 && pool.waiting ? "bad" : null);
      setText(waiting, count(pool.waiting));
      setAttribute(waiting, "data-level", pool.waiting ? "bad" : null);
      setText(wait, duration(pool.wait_p99));
    },
    clear() {},
  };
}

/** Says what the page watches. */
export function showSource(source) {
  renderIfChanged(byId("database"), source, () => visible(source.database));
  setText(byId("process"), `process ${source.process}, version ${visible(source.version)}`);
  setText(byId("overview-title"), `Dashboard of ${visible(source.database)}`);
}
