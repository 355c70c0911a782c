// Lists that change every second: a fixed set of rows whose content changes, so that nothing moves.

import { element, isHeld } from "./dom.js";

export class Slots {
  #body;
  #make;
  #slots = [];

  /** `make` returns a slot: `{ node, fill(item), clear() }`. */
  constructor(body, make) {
    this.#body = body;
    this.#make = make;
  }

  /** Shows these items, and at least `least` rows. Does nothing while somebody points at a row. */
  update(items, least = 0) {
    if (this.#slots.length && isHeld(this.#body)) return;
    const wanted = Math.max(items.length, least);
    while (this.#slots.length < wanted) {
      const slot = this.#make();
      this.#slots.push(slot);
      this.#body.append(slot.node);
    }
    while (this.#slots.length > wanted) this.#slots.pop().node.remove();
    this.#slots.forEach((slot, index) => {
      slot.node.classList.toggle("vacant", index >= items.length);
      if (index < items.length) slot.fill(items[index]);
      else slot.clear();
    });
  }
}

/** A row of a table with figures, and one below it for what does not fit into columns. */
export function rowWithDetails(columns, cells, ...details) {
  return element("tbody", {}, row(...cells), element("tr", { class: "details" }, element("td", { colspan: columns }, ...details)));
}

/** A row of a table that holds these cells. */
export function row(...cells) {
  return element("tr", {}, ...cells);
}
