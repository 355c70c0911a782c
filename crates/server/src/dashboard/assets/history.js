// Samples of the last hour: one a second for five minutes, and one every ten seconds.

const FINE = { step: 1, limit: 300 };
/** Seconds that the charts of a young program span. */
const YOUNG = [60, 120, 300, 900, 3600];
const COARSE = { step: 10, limit: 360 };

export class History {
  #fine = [];
  #coarse = [];

  /** Takes the samples that the server kept. */
  reset({ fine, coarse }) {
    this.#fine = fine.slice(-FINE.limit);
    this.#coarse = coarse.slice(-COARSE.limit);
  }

  add({ sample, coarse }) {
    push(this.#fine, sample, FINE.limit);
    if (coarse) push(this.#coarse, coarse, COARSE.limit);
  }

  get newest() {
    return this.#fine.at(-1) ?? null;
  }

  /** Returns how many of the last `seconds` to draw: fewer for a program that started just now, in steps. */
  span(seconds) {
    const oldest = this.#coarse[0] ?? this.#fine[0];
    const known = Math.max(this.newest.t - oldest.t, this.newest.t - this.#fine[0].t);
    return Math.min(YOUNG.find((step) => step >= known) ?? seconds, seconds);
  }

  /** Returns the samples of the last `seconds`, with an empty one wherever some are missing. */
  view(seconds) {
    const isFine = seconds <= FINE.limit * FINE.step;
    const { step } = isFine ? FINE : COARSE;
    const samples = isFine ? this.#fine : this.#coarse;
    const from = (this.newest?.t ?? 0) - seconds - step;
    const view = [];
    for (const sample of samples) {
      if (sample.t < from) continue;
      const previous = view.at(-1);
      if (previous && sample.t - previous.t > 2.5 * step) view.push({ t: previous.t + step, isGap: true });
      view.push(sample);
    }
    return view;
  }
}

function push(samples, sample, limit) {
  // A reconnection may repeat one.
  if (samples.length && sample.t <= samples.at(-1).t) return;
  samples.push(sample);
  if (samples.length > limit) samples.shift();
}
