/** How often the clock is looked at, and from how late a look on the machine counts as having stood still. */
const LOOK_MS = 500;
const NOTICED_MS = 3_000;

/**
 * Finds out when nothing ran here for seconds, because the machine (or what emulates it) was stopped or starved: time limits that
 * passed meanwhile say nothing about what was tested.
 */
export class StandstillWatch implements Disposable {
  readonly #pauses: number[] = [];
  readonly #timer: Timer;
  #last = performance.now();

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /** Seconds of each time the machine stood still so far. */
  get pauses(): readonly number[] {
    this.#look(); // the last one may end just now
    return this.#pauses;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    const pause = now - this.#last - LOOK_MS;
    if (pause >= NOTICED_MS) this.#pauses.push(Math.round(pause / 100) / 10);
    this.#last = now;
  }
}
