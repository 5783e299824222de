import { errnoName } from "../ffi/index.ts";
import { UblkError } from "./error.ts";

const ETIMEDOUT = -110;

/** The longest time a timer can wait; a longer one would fire at once. */
export const TIMER_MAX = 2 ** 31 - 1;

/** Rejects when a promise takes too long. The promise itself goes on. */
export async function withLimit<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: Timer | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new UblkError({ command: "stop", errno: ETIMEDOUT, hint: `${what} within ${ms} ms (${errnoName(ETIMEDOUT)})` })),
      ms,
    );
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** The time limit of a step of starting that waits for foreign code: a signal, whose reason names what did not settle. */
export class StepLimit implements Disposable {
  /** Aborts at the limit, or with the signal that was given. */
  readonly signal: AbortSignal;
  /** What is waited for, as the error names it. It changes on the way. */
  step: string;
  readonly #timer: Timer;

  constructor(ms: number, step: string, stop?: AbortSignal) {
    this.step = step;
    const limit = new AbortController();
    this.signal = stop === undefined ? limit.signal : AbortSignal.any([limit.signal, stop]);
    this.#timer = setTimeout(() => limit.abort(unsettled(this.step, ms)), ms);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

const unsettled = (step: string, ms: number): UblkError =>
  new UblkError({
    command: "serve",
    subject: step,
    errno: ETIMEDOUT,
    hint: `it did not settle within ${ms} ms: a promise in there may never resolve. If it needs longer, raise timeoutMs`,
  });

/** What foreign code answers, unless the signal aborts before. An answer that comes all the same is handed to `late`. */
export function unlessAborted<T>(answer: T | PromiseLike<T>, signal: AbortSignal, late?: (value: T) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    const settle = (value: T): unknown => {
      signal.removeEventListener("abort", abort);
      return signal.aborted ? late?.(value) : resolve(value);
    };
    const fail = (error: unknown): void => {
      signal.removeEventListener("abort", abort);
      reject(error);
    };
    Promise.resolve(answer)
      .then(settle, fail)
      .catch(() => {}); // what is wrong with a late answer is nobody's business any more
  });
}
