import type { Deadline } from "./deadline.ts";
import { Execution, ended, outcomeOf, type Parent, type PlanContext } from "./execution.ts";

/** Carries out a plan beside its timer; over when both are. */
export class DeadlineExecution extends Execution implements Parent {
  readonly #deadline: Deadline<unknown, unknown>;
  readonly #timer: Execution;
  readonly #plan: Execution;
  #planOver = false;
  #timerOver = false;
  #stopped = false; // from outside
  #stop: unknown; // why
  #error: unknown; // the deadline has passed, or its timer failed

  constructor(deadline: Deadline<unknown, unknown>, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#deadline = deadline;
    this.#timer = deadline.timer.execution(context, this);
    this.#plan = deadline.plan.execution({ ...context, interruptible: true }, this);
  }

  get value(): unknown {
    return this.#plan.value;
  }

  override reset(): void {
    super.reset();
    this.#timer.reset();
    this.#plan.reset();
    this.#planOver = false;
    this.#timerOver = false;
    this.#stopped = false;
    this.#stop = undefined;
    this.#error = undefined;
  }

  protected begin(): void {
    this.#timer.start();
    if (this.#stopped)
      this.#endTimer(); // by a handler that ran while room was made
    else if (this.#timerOver) this.end("failed", this.#error);
    else this.#plan.start();
  }

  interrupt(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stop = reason;
    if (this.#plan.begun) this.#plan.interrupt(reason);
  }

  settled(part: Execution): void {
    if (part !== this.#timer) {
      this.#endTimer();
      return;
    }
    this.#timerSettled(part);
    if (this.#planOver && this.#timerOver && this.running) this.#finish(this.#plan);
  }

  // The plan is over, or never begins.
  #endTimer(): void {
    this.#planOver = true;
    if (this.#timerOver) this.#finish(this.#plan);
    else this.#timer.interrupt(undefined);
  }

  outcome(): unknown {
    return { ...ended(this), plan: outcomeOf(this.#plan, this.#deadline.plan, this.reason) };
  }

  #timerSettled({ status, reason }: Execution): void {
    this.#timerOver = true;
    if (this.#planOver || this.#stopped) return;
    this.#error = status === "failed" ? reason : this.#deadline.error();
    if (this.#plan.begun) this.#plan.interrupt(this.#error);
  }

  #finish({ begun, status, reason }: Execution): void {
    if (!begun) this.end("unstarted", this.#stop);
    else if (status === "fulfilled") this.succeed();
    else if (this.#error !== undefined && status !== "failed") this.end("failed", this.#error);
    else this.end(status as "failed", reason);
  }
}
