import type { Operation } from "uring-ublk";
import { abi, RawRing, type RingShape } from "uring-ublk/uring";

/** An operation of a chain, by name: a description, or what writes its SQE. */
export interface Step {
  readonly name: string;
  readonly write: Operation<unknown> | ((raw: RawRing, slot: number) => void);
  /** `IOSQE_*`. */
  readonly flags?: number;
}

export const SOFT = abi.IOSQE_IO_LINK;
export const HARD = abi.IOSQE_IO_HARDLINK;
export const SKIP = abi.IOSQE_CQE_SKIP_SUCCESS;
export const DRAIN = abi.IOSQE_IO_DRAIN;
export const ECANCELED = -125;

/** What came of a chain: the result of each step, by name, in the order of the CQEs. */
export type Outcome = Record<string, number>;

/** A raw ring on which chains are tried out, one submission each. */
export class Trial implements Disposable {
  readonly raw: RawRing;
  readonly outcome: Outcome = {};
  /** Slots of the steps, by name. */
  readonly slots = new Map<string, number>();
  readonly #pins: object[] = [];

  constructor(shape: RingShape = {}) {
    this.raw = new RawRing({ entries: 16, ...shape });
  }

  /** Queues steps. */
  queue(...steps: readonly Step[]): this {
    for (const { name, write, flags = 0 } of steps) {
      const completions = typeof write === "function" ? "one" : write.declaration.completions;
      const slot = this.raw.allocate((result) => {
        this.outcome[name] ??= result; // the notification of a zero-copy send comes second
      }, completions);
      this.slots.set(name, slot);
      if (typeof write === "function") write(this.raw, slot);
      else this.#pins.push(write.encode(this.raw, slot));
      if (flags !== 0) this.raw.setFlags(flags);
    }
    return this;
  }

  /** Submits, and takes the CQEs that are there already. */
  submit(): this {
    this.raw.enter(0);
    this.raw.reap();
    return this;
  }

  /** Waits until the named steps have completed, or all. */
  settle(...names: readonly string[]): Outcome {
    const missing = () => (names.length === 0 ? this.raw.inFlight > 0 : names.some((name) => !(name in this.outcome)));
    while (missing()) {
      if (this.raw.enter(1, 20_000_000_000) === -62) throw new Error(`no CQE for 20 s; so far ${JSON.stringify(this.outcome)}`);
      this.raw.reap();
    }
    return this.outcome;
  }

  /** Which of the steps have no CQE although everything that was submitted is over: NOPs behind it tell. */
  silent(): string[] {
    for (const name of ["sentinel 1", "sentinel 2"]) {
      this.queue({ name, write: (raw, slot) => raw.nop(slot) });
      this.settle(name);
      delete this.outcome[name];
      this.slots.delete(name);
    }
    return [...this.slots.keys()].filter((name) => !(name in this.outcome));
  }

  [Symbol.dispose](): void {
    this.raw.close();
  }
}

/** Runs one chain to its end; every step must complete. */
export function chain(...steps: readonly Step[]): Outcome {
  using trial = new Trial();
  trial.raw.register.sparseFiles(4);
  return trial.queue(...steps).settle();
}

/** A NOP, for the places behind and between. */
export const nopStep = (name: string, flags = 0, result = 0): Step => ({
  name,
  flags,
  write: (raw, slot) => raw.nop(slot, result === 0 ? 0 : abi.IORING_NOP_INJECT_RESULT, result),
});
