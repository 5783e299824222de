import { abreast, Execution, ended, outcomeOf, type Parent, type PlanContext, Tally } from "./execution.ts";
import type { Plan } from "./plan.ts";
import type { Salvo } from "./volley.ts";

/** Carries out parts side by side. */
export class AllExecution extends Execution implements Parent {
  readonly #parts: readonly Plan<unknown, unknown>[];
  readonly #executions: readonly Execution[];
  readonly #tally = new Tally();
  #left = 0;
  #stopped = false;

  constructor(parts: readonly Plan<unknown, unknown>[], context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#parts = parts;
    this.#executions = parts.map((part) => part.execution(context, this));
  }

  get value(): unknown {
    return this.#executions.map(({ value }) => value);
  }

  override salvos(): readonly Salvo[] | undefined {
    return abreast(this.#executions);
  }

  protected begin(): void {
    this.#left = this.#parts.length;
    for (const execution of this.#executions) {
      if (this.#stopped)
        this.#over(); // a step of another part has aborted the whole
      else execution.start();
    }
  }

  override reset(): void {
    super.reset();
    for (const execution of this.#executions) execution.reset();
    this.#tally.reset();
    this.#stopped = false;
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stopped = true;
    this.#tally.stop(reason);
    // The last to end may begin the next run of a prepared plan, which is none of this.
    for (const execution of this.#executions) if (this.#stopped && execution.begun) execution.interrupt(reason);
  }

  settled(part: Execution): void {
    this.#tally.add(part);
    this.#over();
  }

  outcome(): unknown {
    const { reason } = this.#tally;
    return { ...ended(this), parts: this.#parts.map((part, i) => outcomeOf(this.#executions[i]!, part, reason)) };
  }

  #over(): void {
    if (--this.#left > 0) return;
    if (this.#tally.fulfilled === this.#parts.length) this.succeed();
    else this.end(this.#tally.status, this.#tally.reason);
  }
}
