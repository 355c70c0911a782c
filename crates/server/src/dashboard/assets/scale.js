// The vertical scale of a chart, which changes only when it must.

const ROUND = [1, 2, 4, 6, 8, 10];

/** Returns a round number that is not below `value`. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return ROUND.find((factor) => factor * power >= value * 0.9999) * power;
}

/** From zero to a round number: it grows at once, and shrinks only when less than a third of it is used. */
export class Linear {
  #least;
  #top = 0;
  distribution = 1;

  /** The top is never below `least`. */
  constructor(least) {
    this.#least = least;
  }

  reset() {
    this.#top = 0;
  }

  range(lowest, highest) {
    const wanted = roundUp(Math.max((highest ?? 0) * 1.05, this.#least));
    if (wanted > this.#top || (highest ?? 0) < this.#top / 3) this.#top = wanted;
    return [0, this.#top];
  }

  lines(bottom, top) {
    return [bottom, top / 2, top];
  }
}

/** Whole powers of ten, so that the median is seen beside the slowest. */
export class Logarithmic {
  distribution = 3;

  reset() {}

  range(lowest, highest) {
    const bottom = Math.floor(Math.log10(lowest || 1e-4) + 1e-9);
    const top = Math.ceil(Math.log10(highest || 1e-3) - 1e-9);
    return [10 ** bottom, 10 ** Math.max(top, bottom + 2)];
  }

  lines(bottom, top) {
    const [first, last] = [bottom, top].map((value) => Math.round(Math.log10(value)));
    const step = last - first > 4 ? 2 : 1;
    return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, index) => 10 ** (first + index * step));
  }
}
