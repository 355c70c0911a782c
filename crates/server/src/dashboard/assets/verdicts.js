// The ten verdicts, each a link to the panel with its figures.

import { byId, element, setAttribute, setText } from "./dom.js";
import { mark } from "./panel.js";
import { visible } from "./text.js";

const TITLES = {
  pool: "Pool", latency: "Latency", errors: "Errors", slow: "Slow", n_plus_one: "N+1", replicas: "Replicas", spill: "Spill",
  schema: "Schema", indexes: "Indexes", disk: "Disk",
};
const PANELS = {
  pool: "pools", latency: "latency", errors: "events", slow: "events", n_plus_one: "findings", replicas: "servers", spill: "servers",
  schema: "revisions", indexes: "advice", disk: "doctor",
};
const LEVELS = { ok: "fine", warn: "warning", bad: "bad", unknown: "not known" };

export class Verdicts {
  #list = byId("verdicts");
  #cells = new Map();
  #jump;

  constructor(jump) {
    this.#jump = jump;
  }

  update(verdicts) {
    const changes = [];
    for (const verdict of verdicts) {
      const cell = this.#cells.get(verdict.name) ?? this.#add(verdict.name);
      const level = verdict.level in LEVELS ? verdict.level : "unknown";
      const before = cell.link.dataset.level;
      setAttribute(cell.link, "data-level", level);
      setAttribute(cell.mark, "data-level", level);
      setText(cell.level, `${LEVELS[level]}: `);
      setText(cell.text, visible(verdict.text));
      setAttribute(cell.link, "title", visible(verdict.text));
      cell.panel = byId(verdict.panel) ? verdict.panel : PANELS[verdict.name] ?? "overview";
      setAttribute(cell.link, "href", `#${cell.panel}`);
      if (before && before !== level) changes.push(`${cell.title}, ${LEVELS[level]}: ${visible(verdict.text)}`);
    }
    // Only changes are read out, so that a screen reader is not interrupted every second.
    if (changes.length) setText(byId("announcer"), changes.join(". "));
    const bad = verdicts.filter((verdict) => verdict.level === "bad").length;
    const warn = verdicts.filter((verdict) => verdict.level === "warn").length;
    const counts = [bad && `${bad} bad`, warn && `${warn} ${warn === 1 ? "warning" : "warnings"}`].filter(Boolean);
    document.title = [...(counts.length ? [counts.join(", ")] : []), "Tallybook"].join(" · ");
  }

  #add(name) {
    const title = TITLES[name] ?? visible(name);
    const cell = {
      title, panel: "", mark: mark("unknown"), level: element("span", { class: "visually-hidden" }), text: element("span", { class: "verdict-text" }),
    };
    cell.link = element("a", { class: "verdict", "data-verdict": name, onclick: () => this.#jump(cell.panel) },
      cell.mark, element("strong", {}, title), element("span", { class: "verdict-line" }, cell.level, cell.text));
    this.#list.append(element("li", {}, cell.link));
    this.#cells.set(name, cell);
    return cell;
  }
}
