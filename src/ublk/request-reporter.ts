import type { RequestErrorEvent } from "./device-types.ts";

const INTERVAL_MS = 1_000;

/** Writes request errors that nobody listens to to stderr, one a second. */
export class RequestReporter {
  #last = Number.NEGATIVE_INFINITY;
  #suppressed = 0;

  /** Reports an error of a disk, or counts it. */
  report(path: string, { error, op, offset, length }: RequestErrorEvent): void {
    const now = performance.now();
    if (now - this.#last < INTERVAL_MS) {
      this.#suppressed++;
      return;
    }
    this.#last = now;
    const more = this.#suppressed > 0 ? ` (and ${this.#suppressed} more)` : "";
    this.#suppressed = 0;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`uring-ublk: ${path}: ${op} of ${length} bytes at ${offset} failed${more}: ${text}\n`);
  }
}
