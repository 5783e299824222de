import { IORING_SETUP_SQPOLL, IORING_SETUP_SUBMIT_ALL } from "../abi.ts";
import type { Flights } from "../flights.ts";
import type { Operation } from "../operation.ts";
import { checkBoolean, checkKnown } from "../options.ts";
import { checkPart } from "./check.ts";
import type { Explanation } from "./explanation.ts";
import type { Plan } from "./plan.ts";
import { PlanRun } from "./run.ts";

/** Options of {@link Ring.run} and {@link Ring.settle} with a plan. */
export interface PlanOptions {
  /** Aborts the plan: nothing more starts, and what is in flight is cancelled and waited for. It rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Whether chains may be handed to the kernel as linked SQEs where that means the same. Default true. */
  links?: boolean;
}

/** Why an operation cannot be run on a ring, or undefined; a plan that has `begun` goes on while the ring is being closed. */
export type Refusal = (operation: Operation<unknown>, begun: boolean) => unknown;

/** Runs plans on a ring. */
export class PlanRunner {
  readonly #flights: Flights;
  readonly #refusal: Refusal;
  readonly #unlinked: string | undefined; // why kernel links are not used on this ring

  constructor(flights: Flights, refusal: Refusal) {
    this.#flights = flights;
    this.#refusal = refusal;
    // A chain ends where a submit does.
    const { flags } = flights.raw.record;
    if ((flags & IORING_SETUP_SQPOLL) !== 0) this.#unlinked = "a kernel thread submits (sqpoll), and a chain ends where a submit does";
    else if ((flags & IORING_SETUP_SUBMIT_ALL) === 0) this.#unlinked = "without submitAll a refused SQE ends a submit, and so a chain";
  }

  /** Resolves to the plan's value; rejects with the first thing that went wrong, or the reason of an abort. */
  run<Value>(plan: Plan<Value, unknown>, options?: PlanOptions): Promise<Value> {
    return this.#carryOut(plan, options).then(({ aborted, fulfilled, value, reason }) => {
      if (aborted !== undefined || !fulfilled) throw aborted === undefined ? reason : aborted.reason;
      return value as Value;
    });
  }

  /** Resolves to the tree of what became of the plan. */
  settle<Outcome>(plan: Plan<unknown, Outcome>, options?: PlanOptions): Promise<Outcome> {
    return this.#carryOut(plan, options).then((run) => run.outcome() as Outcome);
  }

  /** Says how the plan would be carried out. */
  explain(plan: Plan<unknown, unknown>, options?: PlanOptions): Explanation {
    const { signal, links } = this.#checked(plan, options);
    const unlinked = links ? this.#unlinked : "links: false";
    return plan.explain({ unlinked, interruptible: signal !== undefined });
  }

  // Before anything is queued the whole plan is looked at.
  #carryOut(plan: Plan<unknown, unknown>, options?: PlanOptions): Promise<PlanRun> {
    const { signal, links } = this.#checked(plan, options);
    return new Promise((resolve) => {
      const run = new PlanRun(
        this.#flights,
        plan,
        (part) => this.#problem(part, true),
        { signal, links: links && this.#unlinked === undefined },
        resolve,
      );
      const problem: unknown = signal?.aborted ? signal.reason : this.#problem(plan, false);
      if (problem === undefined) run.start();
      else run.abandon(problem);
    });
  }

  #checked(plan: Plan<unknown, unknown>, options: PlanOptions = {}): { signal: AbortSignal | undefined; links: boolean } {
    checkPart("run", "plan", plan);
    checkKnown("run", options, ["signal", "links"]);
    const { signal, links = true } = options;
    checkBoolean("run", "links", links);
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("run: signal must be an AbortSignal");
    return { signal, links };
  }

  #problem(plan: Pick<Plan<unknown, unknown>, "width" | "visit">, begun: boolean): unknown {
    const { cqEntries } = this.#flights.raw.record;
    if (plan.width > cqEntries)
      return new RangeError(
        `the plan has ${plan.width} operations in flight at a time, and the ring's CQ ${cqEntries} entries; open it with cqEntries: ${plan.width}`,
      );
    let problem: unknown;
    plan.visit((operation) => {
      problem ??= this.#refusal(operation, begun);
    });
    return problem;
  }
}
