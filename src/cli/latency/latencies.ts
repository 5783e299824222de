import type { Output } from "../output.ts";
import { type ByDevice, type ByOp, latencySince } from "./histogram.ts";
import { deviceNumber, LatencySession } from "./session.ts";
import { usableTracefs } from "./tracefs.ts";

/** What `stats --latency` shows: the latencies of each disk between two looks. */
export class Latencies implements Disposable {
  readonly #session: LatencySession;
  readonly #output: Output;
  #before: ByDevice = new Map();
  #dropped = 0;

  private constructor(session: LatencySession, output: Output) {
    this.#session = session;
    this.#output = output;
  }

  /**
   * Begins to count for these disks.
   *
   * @throws Error: this kernel, or this process, cannot; and what would help.
   */
  static open(ids: readonly number[], output: Output): Latencies {
    const session = new LatencySession(usableTracefs());
    try {
      session.watch(ids);
      return new Latencies(session, output);
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  /** What came to each disk since the last time. Of disks that were not there then nothing was counted; they are from now on. */
  since(ids: readonly number[]): ReadonlyMap<number, ByOp> {
    const { counts, dropped } = this.#session.look();
    if (dropped > this.#dropped)
      this.#output.message(`${dropped - this.#dropped} requests are missing in the histograms: the kernel had no room for them`);
    const found = ids.map((id): [number, ByOp] => {
      const number = deviceNumber(id) ?? Number.NaN;
      return [id, latencySince(this.#before.get(number), counts.get(number) ?? new Map())];
    });
    const anew = this.#session.watch(ids);
    this.#before = anew ? new Map() : counts;
    this.#dropped = anew ? 0 : dropped;
    return new Map(found);
  }

  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
  }
}
