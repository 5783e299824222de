import type { SlowEvent } from "./device-types.ts";
import type { QueueThread } from "./thread.ts";

/** How often it looks within its limit. */
const LOOKS = 4;
const LEAST_MS = 10;

/**
 * Looks after the threads that serve a disk: asks each for requests that have been open for too long, and tells when a thread does not
 * answer because it does not come back to its loop: from a handler, as like as not. The calling thread cannot tell that before it has.
 */
export class Watchdog {
  readonly #threads: readonly QueueThread[];
  readonly #limitMs: number;
  readonly #tell: (event: SlowEvent) => void;
  readonly #told = new Set<QueueThread>(); // Workers, since they last answered
  readonly #interval: number;
  readonly #timer: Timer;
  #last = performance.now();

  constructor(threads: readonly QueueThread[], limitMs: number, tell: (event: SlowEvent) => void) {
    this.#threads = threads;
    this.#limitMs = limitMs;
    this.#tell = tell;
    this.#interval = Math.max(limitMs / LOOKS, LEAST_MS);
    this.#timer = setInterval(() => this.#look(), this.#interval);
    this.#timer.unref();
  }

  /** Looks no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    const late = now - this.#last - this.#interval;
    this.#last = now;
    let here = false; // one thread serves all queues that no Worker does: it is told of once
    for (const thread of this.#threads) {
      const ms = thread.local ? late : thread.unheard;
      if (ms < this.#limitMs) this.#told.delete(thread);
      else if (thread.local ? !here : !this.#told.has(thread)) {
        this.#told.add(thread);
        this.#tell({ queue: thread.queue, thread: thread.thread, ms, requests: 0, request: undefined });
      }
      here ||= thread.local;
      thread.look(this.#limitMs);
    }
  }
}
