import { IORING_SETUP_SQPOLL, IORING_SETUP_SUBMIT_ALL } from "../abi.ts";
import type { Flights } from "../flights.ts";
import type { Operation } from "../operation.ts";
import { checkBoolean, checkKnown, checkSignal } from "../options.ts";
import { Bindings } from "./bindings.ts";
import { checkPart } from "./check.ts";
import type { Explanation } from "./explanation.ts";
import type { Plan } from "./plan.ts";
import { Prepared } from "./prepared.ts";
import { PlanRun, type RunInit, resultOf } from "./run.ts";

/** Options of {@link Ring.prepare} and {@link Ring.explain}. */
export interface PrepareOptions {
  /** Whether chains may be handed to the kernel as linked SQEs where that means the same. Default true. */
  links?: boolean;
}

/** Options of {@link Ring.run} and {@link Ring.settle} with a plan. */
export interface PlanOptions extends PrepareOptions {
  /** Aborts the plan: nothing more starts, and what is in flight is cancelled and waited for. It rejects with the signal's reason. */
  signal?: AbortSignal;
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
    return this.#carryOut(plan, options).then(resultOf) as Promise<Value>;
  }

  /** Resolves to the tree of what became of the plan. */
  settle<Outcome>(plan: Plan<unknown, Outcome>, options?: PlanOptions): Promise<Outcome> {
    return this.#carryOut(plan, options).then((run) => run.outcome() as Outcome);
  }

  /** Says how the plan would be carried out. */
  explain(plan: Plan<unknown, unknown>, options: PlanOptions = {}): Explanation {
    return this.#explain(plan, this.#check("run", plan, options), options.signal !== undefined);
  }

  #explain(plan: Plan<unknown, unknown>, links: boolean, interruptible: boolean): Explanation {
    return plan.explain({ unlinked: links ? this.#unlinked : "links: false", interruptible });
  }

  /** Makes what runs the plan again and again. */
  prepare<Value, Outcome>(plan: Plan<Value, Outcome>, options: PrepareOptions = {}): Prepared<Value, Outcome> {
    checkKnown("prepare", options, ["links"]);
    const links = this.#check("prepare", plan, options);
    const problem = this.#problem(plan, false);
    if (problem !== undefined) throw problem;
    const bindings = new Bindings(plan);
    return new Prepared({
      ...this.#init(plan, links),
      bindings,
      refusal: (operation) => this.#tooWide(plan) ?? this.#refusal(operation, false),
      explain: () => this.#explain(plan, links, true), // it may always be aborted
    });
  }

  // Before anything is queued the whole plan is looked at.
  #carryOut(plan: Plan<unknown, unknown>, options: PlanOptions = {}): Promise<PlanRun> {
    const links = this.#check("run", plan, options);
    const { signal } = options;
    return new Promise((resolve) => {
      const over = (run: PlanRun): void => {
        this.#flights.driver.microtasksDue = true;
        resolve(run);
      };
      const run = new PlanRun({ ...this.#init(plan, links), over });
      const problem: unknown = signal?.aborted ? signal.reason : this.#problem(plan, false);
      if (problem === undefined) run.start(signal);
      else run.refuse(problem);
    });
  }

  #init(plan: Plan<unknown, unknown>, links: boolean): Omit<RunInit, "over"> {
    return {
      flights: this.#flights,
      plan,
      problem: (part) => this.#problem(part, true),
      links: links && this.#unlinked === undefined,
    };
  }

  #check(what: string, plan: Plan<unknown, unknown>, options: PlanOptions): boolean {
    checkPart(what, "plan", plan);
    checkKnown(what, options, ["signal", "links"]);
    const { signal, links = true } = options;
    checkBoolean(what, "links", links);
    checkSignal(what, signal);
    return links;
  }

  #tooWide({ width }: Pick<Plan<unknown, unknown>, "width">): RangeError | undefined {
    const { cqEntries } = this.#flights.raw.record;
    if (width <= cqEntries) return undefined;
    return new RangeError(
      `the plan has ${width} operations in flight at a time, and the ring's CQ ${cqEntries} entries; open it with cqEntries: ${width}`,
    );
  }

  #problem(plan: Pick<Plan<unknown, unknown>, "width" | "visit">, begun: boolean): unknown {
    let problem: unknown = this.#tooWide(plan);
    plan.visit((operation) => {
      problem ??= this.#refusal(operation, begun);
    });
    return problem;
  }
}
