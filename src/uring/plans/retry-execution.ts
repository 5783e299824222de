import { timeout } from "../ops/timeout.ts";
import { checkDelay } from "./check.ts";
import { Execution, ended, type Parent, type PlanContext } from "./execution.ts";
import { codeOf } from "./outcome.ts";
import type { Retry } from "./retry.ts";

/** Carries out a plan that is tried again: attempts, and timers between them. */
export class RetryExecution extends Execution implements Parent {
  readonly #retry: Retry<unknown, unknown>;
  #attempts: Execution[] = [];
  #current: Execution | undefined; // an attempt, or the timer before the next
  #over = true; // the current one is
  #advancing = false;
  #stopped = false;
  #stop: unknown; // why

  constructor(retry: Retry<unknown, unknown>, context: PlanContext, parent: Parent) {
    super(context, parent);
    this.#retry = retry;
  }

  get value(): unknown {
    return this.#attempts.at(-1)?.value;
  }

  protected begin(): void {
    this.#advance();
  }

  override reset(): void {
    super.reset();
    this.#attempts = [];
    this.#current = undefined;
    this.#over = true;
    this.#stopped = false;
    this.#stop = undefined;
  }

  interrupt(reason: unknown): void {
    if (!this.running || this.#stopped) return;
    this.#stopped = true;
    this.#stop = reason;
    this.#current?.interrupt(reason);
  }

  settled(): void {
    this.#over = true;
    if (!this.#advancing) this.#advance();
  }

  outcome(): unknown {
    return { ...ended(this), attempts: this.#attempts.map((attempt) => attempt.outcome()) };
  }

  // What is begun may be over at once: a loop, so that many of such do not nest.
  #advance(): void {
    this.#advancing = true;
    while (this.#over && this.running) {
      const next = this.#next();
      if (next === undefined) continue; // it has ended
      this.#current = next;
      this.#over = false;
      next.start();
    }
    this.#advancing = false;
  }

  #next(): Execution | undefined {
    const current = this.#current;
    if (current === undefined || current !== this.#attempts.at(-1)) return this.#afterDelay(current);
    const { status, reason } = current;
    if (status === "fulfilled") this.succeed();
    else if (status !== "failed" || this.#stopped) this.end(status as "failed", reason);
    else return this.#nextAttempt(reason);
    return undefined;
  }

  // The functions of the rule may throw, and may abort the plan.
  #nextAttempt(reason: unknown): Execution | undefined {
    let next: (() => Execution) | undefined;
    try {
      next = this.#again(reason) ? this.#delayed() : undefined;
    } catch (error) {
      this.end("failed", error);
      return undefined;
    }
    if (next !== undefined && !this.#stopped) return next();
    this.end(this.#stopped ? "cancelled" : "failed", this.#stopped ? this.#stop : reason);
    return undefined;
  }

  #afterDelay(timer: Execution | undefined): Execution | undefined {
    if (timer?.status === "failed") this.end("failed", timer.reason);
    else if (this.#stopped) this.end(this.#attempts.length > 0 ? "cancelled" : "unstarted", this.#stop);
    else return this.#attempt();
    return undefined;
  }

  #again(reason: unknown): boolean {
    const { attempts, on } = this.#retry.rule;
    if (this.#attempts.length >= attempts) return false;
    return typeof on === "function" ? on(reason, this.#attempts.length) === true : on.includes(codeOf(reason));
  }

  #delayed(): () => Execution {
    const { delay } = this.#retry.rule;
    const ms = typeof delay === "function" ? checkDelay(delay(this.#attempts.length)) : delay;
    return () => (ms === 0 ? this.#attempt() : timeout({ ms }).execution(this.context, this));
  }

  #attempt(): Execution {
    const attempt = this.#retry.plan.execution(this.context, this);
    this.#attempts.push(attempt);
    return attempt;
  }
}
