// The server-sent events, and the state of the connection: connecting, live, paused, lost or gone.

/** Seconds without a tick after which the connection counts as lost. */
const SILENCE = 5;
const RETRY = [1, 2, 4, 8];

export class Stream {
  #address;
  #handlers;
  #source = null;
  #isPaused = false;
  #failures = 0;
  #timer = 0;
  #lastTick = 0;

  /** `handlers`: `session` (who looks has logged in), `hello`, `tick`, and `state` with the state's name and its reason. */
  constructor(address, handlers) {
    this.#address = address;
    this.#handlers = handlers;
    document.addEventListener("visibilitychange", () => this.#follow());
    window.addEventListener("pagehide", () => this.#close());
    window.addEventListener("pageshow", () => this.#follow());
    setInterval(() => this.#watch(), 1000);
    this.#handlers.state("connecting", "");
    this.#follow();
  }

  get isPaused() {
    return this.#isPaused;
  }

  setPaused(isPaused) {
    this.#isPaused = isPaused;
    this.#follow();
  }

  // Opens the connection if somebody looks, and closes it if nobody does.
  #follow() {
    clearTimeout(this.#timer);
    if (this.#isPaused || document.hidden) {
      this.#close();
      this.#handlers.state("paused", this.#isPaused ? "" : "the page is hidden");
    } else if (!this.#source) {
      this.#open();
    }
  }

  #open() {
    this.#lastTick = performance.now();
    const source = new EventSource(this.#address);
    this.#source = source;
    source.addEventListener("session", () => this.#handlers.session());
    source.addEventListener("hello", (event) => this.#handlers.hello(JSON.parse(event.data)));
    source.addEventListener("tick", (event) => {
      this.#lastTick = performance.now();
      this.#failures = 0;
      this.#handlers.state("live", "");
      this.#handlers.tick(JSON.parse(event.data));
    });
    source.addEventListener("gone", (event) => {
      this.#lastTick = performance.now();
      this.#handlers.state("gone", JSON.parse(event.data).reason);
    });
    source.addEventListener("error", () => this.#retry());
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  #watch() {
    const silent = (performance.now() - this.#lastTick) / 1000;
    // The server says nothing while the watched program is gone.
    if (this.#source?.readyState === EventSource.OPEN && silent > SILENCE && !this.#handlers.isGone()) this.#retry();
  }

  // Retries by itself instead of leaving it to the browser, which gives up after an HTTP error.
  async #retry() {
    this.#close();
    this.#handlers.state("lost", "");
    const wait = RETRY[Math.min(this.#failures, RETRY.length - 1)];
    this.#failures += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#follow(), wait * 1000);
    if (this.#failures % 2 === 0) this.#handlers.refused();
  }
}
