import { Execution, ended, type Parent, type PlanContext, Tally } from "./execution.ts";
import type { Plan } from "./plan.ts";

/** One run of parts side by side. */
export class AllExecution extends Execution implements Parent {
  readonly #parts: readonly Plan<unknown, unknown>[];
  readonly #executions: Execution[] = [];
  readonly #tally = new Tally();
  #left: number;
  #stopped = false;

  constructor(parts: readonly Plan<unknown, unknown>[], context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#parts = parts;
    this.#left = parts.length;
  }

  start(): void {
    this.status = "running";
    for (const part of this.#parts) {
      if (this.#stopped) {
        this.#over(); // a step of another part has aborted the whole
        continue;
      }
      const execution = part.execution(this.context, this);
      this.#executions.push(execution);
      execution.start();
    }
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stopped = true;
    this.#tally.stop(reason);
    for (const execution of this.#executions) execution.interrupt(reason);
  }

  settled(part: Execution): void {
    this.#tally.add(part);
    this.#over();
  }

  outcome(): unknown {
    const { reason } = this.#tally;
    return { ...ended(this), parts: this.#parts.map((part, i) => this.#executions[i]?.outcome() ?? part.unstarted(reason)) };
  }

  #over(): void {
    if (--this.#left > 0) return;
    if (this.#tally.fulfilled === this.#parts.length) this.succeed(this.#executions.map(({ value }) => value));
    else this.end(this.#tally.status, this.#tally.reason);
  }
}
