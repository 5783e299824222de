import { SystemError } from "../../ffi/index.ts";

/** A leg of a mirror that is not used any more. */
export interface FailedLeg {
  /** Its path, as the options have it. */
  readonly path: string;
  /** How the write that it missed failed, with its `code` and `errno`. */
  readonly error: SystemError;
}

/** The first word: a bit for each leg that has failed, and the one that says that the disk is gone. The errnos of the legs follow. */
const FAILED = 0;
const ERRNOS = 1;
const CLOSED = 1 << 30;

/** What became of a leg: it failed now, had failed before, or is the last one, which does not fail. */
export type Verdict = "now" | "before" | "last";

/**
 * Which legs of a mirror have failed: words that all threads share. A leg that has failed stays so for as long as the disk is served. The
 * last one never does: nothing newer exists, so it is what the disk is.
 */
export class Health {
  readonly #words: Int32Array;
  readonly #paths: readonly string[];

  constructor(words: SharedArrayBuffer, paths: readonly string[]) {
    this.#words = new Int32Array(words);
    this.#paths = paths;
  }

  /** Memory for so many legs, all of them well. */
  static allocate(legs: number): SharedArrayBuffer {
    return new SharedArrayBuffer((ERRNOS + legs) * 4);
  }

  /** A bit for each leg that has failed. */
  get failed(): number {
    return Atomics.load(this.#words, FAILED) & ~CLOSED;
  }

  /** A leg has missed a write. Once this has returned no thread begins a request on it, unless it is the last one. */
  fail(leg: number, errno: number): Verdict {
    const last = (1 << this.#paths.length) - 1 - (1 << leg);
    for (;;) {
      const before = Atomics.load(this.#words, FAILED);
      if ((before & (1 << leg)) !== 0) return "before";
      if ((before & last) === last) return "last";
      Atomics.store(this.#words, ERRNOS + leg, errno); // whoever sees the bit sees the errno
      if (Atomics.compareExchange(this.#words, FAILED, before, before | (1 << leg)) !== before) continue;
      Atomics.notify(this.#words, FAILED);
      return "now";
    }
  }

  /** What is to be told of a leg that has failed. */
  describe(leg: number): FailedLeg {
    const path = this.#paths[leg]!;
    const hint =
      "a write to it failed: it is out of date, and the mirror goes on without it; copy a good leg over it before it is used again";
    const errno = Atomics.load(this.#words, ERRNOS + leg);
    return { path, error: new SystemError({ syscall: `mirror: paths[${leg}]`, subject: path, errno, hint }) };
  }

  /** Tells of every leg that fails, from whatever thread, until the disk is closed. */
  async watch(told: (leg: FailedLeg) => void): Promise<void> {
    for (let seen = 0; ; ) {
      const now = Atomics.load(this.#words, FAILED);
      for (let leg = 0; leg < this.#paths.length; leg++) if (((now & ~seen) >> leg) & 1) this.#tell(told, leg);
      if ((now & CLOSED) !== 0) return;
      seen = now;
      await Atomics.waitAsync(this.#words, FAILED, now).value;
    }
  }

  /** The disk is gone: whoever watches ends. */
  close(): void {
    Atomics.or(this.#words, FAILED, CLOSED);
    Atomics.notify(this.#words, FAILED);
  }

  // A listener that throws must not end the watch: its error is its own program's.
  #tell(told: (leg: FailedLeg) => void, leg: number): void {
    try {
      told(this.describe(leg));
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
