import type { Deadline } from "./deadline.ts";
import { Execution, ended, type Parent, type PlanContext } from "./execution.ts";

/** One run of a plan beside its timer; over when both are. */
export class DeadlineExecution extends Execution implements Parent {
  readonly #deadline: Deadline<unknown, unknown>;
  readonly #timer: Execution;
  #plan: Execution | undefined;
  #planOver = false;
  #timerOver = false;
  #stopped = false; // from outside
  #error: unknown; // the deadline has passed, or its timer failed

  constructor(deadline: Deadline<unknown, unknown>, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#deadline = deadline;
    this.#timer = deadline.timer.execution(context, this);
  }

  start(): void {
    this.status = "running";
    this.#timer.start();
    if (this.#timerOver) {
      this.end("failed", this.#error);
      return;
    }
    this.#plan = this.#deadline.plan.execution({ ...this.context, interruptible: true }, this);
    this.#plan.start();
  }

  interrupt(reason: unknown): void {
    this.#stopped = true;
    this.#plan?.interrupt(reason);
  }

  settled(part: Execution): void {
    if (part === this.#timer) this.#timerSettled(part);
    else {
      this.#planOver = true;
      if (!this.#timerOver) this.#timer.interrupt(undefined);
    }
    if (this.#planOver && this.#timerOver && this.running) this.#finish(this.#plan!);
  }

  outcome(): unknown {
    return { ...ended(this), plan: this.#plan?.outcome() ?? this.#deadline.plan.unstarted(this.reason) };
  }

  #timerSettled({ status, reason }: Execution): void {
    this.#timerOver = true;
    if (this.#planOver || this.#stopped) return;
    this.#error = status === "failed" ? reason : this.#deadline.error();
    this.#plan?.interrupt(this.#error);
  }

  #finish({ status, value, reason }: Execution): void {
    if (status === "fulfilled") this.succeed(value);
    else if (this.#error !== undefined && status !== "failed") this.end("failed", this.#error);
    else this.end(status as "failed", reason);
  }
}
