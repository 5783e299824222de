import { checkPart } from "./check.ts";
import { Execution, type Parent, type PlanContext } from "./execution.ts";
import { unsuccessful } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import type { Step } from "./step.ts";

/** Carries out a step: makes the part, and is what becomes of it. */
export class StepExecution extends Execution implements Parent {
  readonly #step: Step<never, unknown, unknown>;
  #previous: unknown; // what the function is called with
  #part: Execution | undefined;
  #stopped = false;
  #stop: unknown; // why

  constructor(step: Step<never, unknown, unknown>, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#step = step;
  }

  get value(): unknown {
    return this.#part?.value;
  }

  override reset(): void {
    super.reset();
    this.#previous = undefined;
    this.#part = undefined;
    this.#stopped = false;
    this.#stop = undefined;
  }

  override follow(previous: Execution): void {
    this.#previous = previous.value;
  }

  protected begin(): void {
    let part: Execution;
    try {
      part = this.#make().execution(this.context, this);
    } catch (error) {
      this.end("failed", error);
      return;
    }
    if (this.#stopped) {
      this.end("unstarted", this.#stop); // the function itself has aborted the plan
      return;
    }
    this.#part = part;
    part.start();
  }

  #make(): Plan<unknown, unknown> {
    const plan: unknown = this.#step.make(this.#previous as never);
    if (plan instanceof Promise) {
      plan.catch(() => {}); // nobody will look at it
      throw new TypeError("step: the function returned a promise; a plan goes on at once, so await what it needs before it is run");
    }
    checkPart("step", "what the function returned", plan);
    const problem = this.context.problem(plan);
    if (problem !== undefined) throw problem;
    return plan;
  }

  interrupt(reason: unknown): void {
    this.#stopped = true;
    this.#stop = reason;
    this.#part?.interrupt(reason);
  }

  settled(part: Execution): void {
    if (part.status === "fulfilled") this.succeed();
    else this.end(part.status as "failed", part.reason);
  }

  outcome(): unknown {
    return this.#part?.outcome() ?? unsuccessful(this.status as "failed", this.reason);
  }
}
