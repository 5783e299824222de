import type { SlowEvent } from "./device-types.ts";
import { killLimit, slowLimit } from "./kill-limit.ts";
import type { QueueThread } from "./thread.ts";

/** How often it looks within its limit. */
const LOOKS = 4;
const LEAST_MS = 10;
/** How often at least where the limit may change meanwhile. */
const MOST_MS = 1_000;

/** What a {@link Watchdog} looks after. */
export interface Watched {
  readonly id: number;
  readonly threads: readonly QueueThread[];
  /** What takes longer is told of, in milliseconds; 0: nothing. */
  readonly watchdogMs: number;
  /** The kernel ends the server of a slow request: told of in time, whatever `watchdogMs` is. */
  readonly unprivileged: boolean;
}

/**
 * Looks after the threads that serve a disk: asks each for requests that have been open for too long, and tells when a thread does not
 * answer because it does not come back to its loop: from a handler, as like as not. The calling thread cannot tell that before it has.
 */
export class Watchdog {
  readonly #watched: Watched;
  readonly #tell: (event: Omit<SlowEvent, "killMs">) => void;
  readonly #told = new Set<QueueThread>(); // Workers, since they last answered
  #limitMs = 0;
  #interval = 0;
  #timer: Timer | undefined;
  #last = 0;

  private constructor(watched: Watched, tell: (event: Omit<SlowEvent, "killMs">) => void) {
    this.#watched = watched;
    this.#tell = tell;
    this.#wait();
  }

  /** Begins to look, where there is something to tell of. */
  static start(watched: Watched, tell: (event: Omit<SlowEvent, "killMs">) => void): Watchdog | undefined {
    return watched.watchdogMs > 0 || watched.unprivileged ? new Watchdog(watched, tell) : undefined;
  }

  /** Looks no more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(): void {
    const { id, unprivileged, watchdogMs } = this.#watched;
    this.#limitMs = unprivileged ? slowLimit(id, watchdogMs) : watchdogMs;
    this.#interval = Math.max(Math.min(this.#limitMs / LOOKS, unprivileged ? MOST_MS : Number.POSITIVE_INFINITY), LEAST_MS);
    this.#last = performance.now();
    this.#timer = setTimeout(() => {
      this.#look();
      if (this.#timer !== undefined) this.#wait();
    }, this.#interval);
    this.#timer.unref();
  }

  #look(): void {
    const late = performance.now() - this.#last - this.#interval;
    let here = false; // one thread serves all queues that no Worker does: it is told of once
    for (const thread of this.#watched.threads) {
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

/** What is told where the kernel ends the server: after how long. */
export const killMsOf = ({ id, unprivileged }: Pick<Watched, "id" | "unprivileged">): number | undefined =>
  unprivileged ? killLimit(id) : undefined;
