// The vertical scale of a chart: from zero to a round number, which changes only when it must.

const ROUND = [1, 2, 4, 6, 8, 10];

/** Returns a round number that is not below `value`. */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return ROUND.find((factor) => factor * power >= value * 0.9999) * power;
}

/** The top of a scale: it grows at once, and shrinks only when less than a third of it is used. */
export class Top {
  #least;
  #value = 0;

  constructor(least) {
    this.#least = least;
  }

  reset() {
    this.#value = 0;
  }

  fit(largest) {
    const wanted = roundUp(Math.max(largest * 1.05, this.#least));
    if (wanted > this.#value || largest < this.#value / 3) this.#value = wanted;
    return this.#value;
  }
}
