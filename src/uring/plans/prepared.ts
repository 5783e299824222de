import type { Flights } from "../flights.ts";
import type { Operation } from "../operation.ts";
import { checkKnown, checkSignal } from "../options.ts";
import type { Bindings, Patch } from "./bindings.ts";
import type { Explanation } from "./explanation.ts";
import type { Status } from "./outcome.ts";
import { PlanRun, type RunInit, resultOf } from "./run.ts";

/** Options of {@link Prepared.run} and {@link Prepared.settle}. */
export interface PreparedOptions {
  /** Aborts this run, as {@link PlanOptions.signal} does. */
  signal?: AbortSignal;
}

interface PreparedInit extends Omit<RunInit, "over"> {
  readonly bindings: Bindings;
  refusal(operation: Operation<unknown>): unknown;
  explain(): Explanation;
}

const NO_PATCH: Patch = Object.freeze([]);

/**
 * A plan that is run again and again on one ring; {@link Ring.prepare} makes it. One run at a time: a second one while it is running is a
 * TypeError, so prepare as many as shall run side by side.
 *
 * What it is made of is allocated once, and NOPs, reads, writes, fsync, send and recv are encoded once: of these {@link Prepared.start}
 * allocates nothing. The parts of `step` and `retry` are made in each run, and other operations, as the timer of a `deadline`, are encoded in
 * each. The memory that its operations name is kept alive as long as it is; when a buffer was transferred or resized between two runs, the
 * next run encodes anew, and fails where that cannot be.
 *
 * @example
 * ```ts
 * import { chain, nop, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const prepared = ring.prepare(chain(nop({ result: 1 }), nop({ result: 2 })));
 * console.log(await prepared.run()); // [ 1, 2 ]
 * let runs = 0;
 * await new Promise<void>((resolve) => {
 *   const again = (): void => {
 *     if (++runs < 1000) prepared.start(again);
 *     else resolve();
 *   };
 *   prepared.start(again);
 * });
 * console.log(prepared.status); // fulfilled
 * ```
 */
export class Prepared<out Value, out Outcome> {
  readonly #run: PlanRun;
  readonly #flights: Flights;
  readonly #bindings: Bindings;
  readonly #refusal: (operation: Operation<unknown>) => unknown;
  readonly #first: Operation<unknown>;
  readonly #explain: () => Explanation;
  #running = false;
  #over: (() => void) | undefined;

  /** @internal */
  constructor({ bindings, refusal, explain, ...init }: PreparedInit) {
    this.#run = new PlanRun({ ...init, bindings, over: () => this.#ended() });
    this.#flights = init.flights;
    this.#bindings = bindings;
    this.#refusal = refusal;
    this.#explain = explain;
    this.#first = bindings.first;
  }

  /**
   * Runs the plan: resolves to its value, rejects with the error of what failed first, or the reason of an abort. A `patch` puts other
   * operations of the same kind in the place of some, for this run and those that follow.
   */
  run(patch: Patch = NO_PATCH, options: PreparedOptions = {}): Promise<Value> {
    return this.#carryOut(patch, options, () => this.value);
  }

  /** The same, but never rejects: resolves to the tree of what became of the plan. */
  settle(patch: Patch = NO_PATCH, options: PreparedOptions = {}): Promise<Outcome> {
    return this.#carryOut(patch, options, () => this.outcome());
  }

  /**
   * Runs the plan, and calls `over` once when it is over, with this. `over` runs inside the ring's completion handling, as
   * a handler of the raw layer does: it may start the plan again, must not wait, and fails the ring when it throws. Whoever awaits a promise
   * that it settles has a turn before the next batch of completions; when it has started the plan again, within a millisecond, or 50 on a
   * thread that serves a disk. Slots of the ring that the plan had may be free for others only when `over` has returned.
   *
   * @throws TypeError when it is running, or the ring is closed.
   */
  start(over: (prepared: this) => void): void {
    this.#checkIdle();
    this.#over = over as () => void;
    this.#running = true;
    if (!this.#run.startAgain()) this.#startAnew();
  }

  /** Aborts the run, with a reason; nothing happens when there is none. What is in flight is cancelled and waited for. */
  abort(reason: unknown = new DOMException("the prepared plan was aborted", "AbortError")): void {
    if (this.#running) this.#run.cancel(reason);
  }

  /** How the last run ended, or that one is `"running"`, which is so also while it waits for room. */
  get status(): Status | "running" {
    return this.#running ? "running" : this.#run.status;
  }

  /** What the last run resolved to, made when it is asked for. Throws what it rejected with, and a TypeError while it is running. */
  get value(): Value {
    this.#checkIdle();
    if (this.#run.status === "unstarted" && this.#run.aborted === undefined) throw new TypeError("prepared: it has not run yet");
    return resultOf(this.#run) as Value;
  }

  /** The tree of what became of the last run. */
  outcome(): Outcome {
    this.#checkIdle();
    return this.#run.outcome() as Outcome;
  }

  /** How it is carried out, and why so. */
  explain(): Explanation {
    return this.#explain();
  }

  // What it resolves to is made at once: the plan may be running again before anybody who awaits this has a turn.
  #carryOut<Told>(patch: Patch, options: PreparedOptions, tell: () => Told): Promise<Told> {
    checkKnown("prepared", options, ["signal"]);
    const { signal } = options;
    checkSignal("prepared", signal);
    this.#checkIdle();
    this.#bindings.check(patch, this.#refusal);
    return new Promise((resolve, reject) => {
      this.#over = () => {
        try {
          resolve(tell());
        } catch (error) {
          reject(error);
        }
      };
      this.#running = true;
      this.#bindings.bind(patch);
      const problem: unknown = signal?.aborted ? signal.reason : this.#refusal(this.#first);
      if (problem === undefined) this.#run.start(signal, true);
      else this.#run.refuse(problem);
    });
  }

  // Whether it may be run at all is asked only here: what was carried out before may, unless the ring has ended.
  #startAnew(): void {
    const problem = this.#refusal(this.#first);
    if (problem === undefined) {
      this.#run.start(undefined, true);
      return;
    }
    this.#running = false;
    this.#over = undefined;
    throw problem;
  }

  #checkIdle(): void {
    if (this.#running) throw new TypeError("prepared: it is running, and runs once at a time: wait for its end, or prepare it twice");
  }

  #ended(): void {
    const over = this.#over!;
    this.#over = undefined;
    this.#running = false;
    try {
      (over as (prepared: this) => void)(this);
      if (!this.#running) this.#flights.driver.microtasksDue = true; // it has settled a promise, as like as not
    } catch (error) {
      // Whoever is telling others beside this one goes on.
      this.#flights.raw.fail(error instanceof Error ? error : new Error("a callback of a prepared plan threw", { cause: error }));
    }
  }
}
