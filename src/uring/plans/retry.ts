import type { Operation } from "../operation.ts";
import { timeout } from "../ops/timeout.ts";
import { checkInteger, checkKnown, show } from "../options.ts";
import { checkDelay, checkPart } from "./check.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import { type ExplainContext, Explanation } from "./explanation.ts";
import { type RetryOutcome, unsuccessful } from "./outcome.ts";
import { type Part, Plan } from "./plan.ts";
import { RetryExecution } from "./retry-execution.ts";

/** When {@link retry} tries again. */
export interface RetryRule {
  /** How often it is tried in all; 2 or more. */
  attempts: number;
  /**
   * Which failures are tried again: codes (`["EAGAIN", "ETIME"]`), or a function of the error and the number of attempts so far. Default:
   * every failure.
   */
  on?: readonly string[] | ((reason: unknown, attempts: number) => boolean);
  /** Milliseconds before the next attempt, or a function of the number of attempts so far. Default 0. */
  delay?: number | ((attempts: number) => number);
}

/** A plan that is tried again; {@link retry} makes it. */
export class Retry<out Value, out Outcome> extends Plan<Value, Outcome> {
  /** @internal */
  readonly plan: Plan<unknown, unknown>;
  /** @internal */
  readonly rule: Required<RetryRule>;
  readonly width: number;

  /** @internal */
  constructor(plan: Plan<unknown, unknown>, rule: Required<RetryRule>) {
    super();
    this.plan = plan;
    this.rule = Object.freeze(rule);
    this.width = plan.width;
    Object.freeze(this);
  }

  /** @internal */
  visit(look: (operation: Operation<unknown>) => void): void {
    if (this.rule.delay !== 0) look(timeout({ ms: 0 }));
    this.plan.visit(look);
  }

  /** @internal */
  execution(context: PlanContext, parent: Parent): Execution {
    return new RetryExecution(this, context, parent);
  }

  /** @internal */
  explain(context: ExplainContext): Explanation {
    const between = this.rule.delay === 0 ? "" : ", with a timer of the ring between two";
    return new Explanation(`retry of up to ${this.rule.attempts}`, `each attempt is a run of the whole${between}`, [
      this.plan.explain(context),
    ]);
  }

  /** @internal */
  unstarted(reason: unknown): unknown {
    return { ...unsuccessful("unstarted", reason), attempts: [] };
  }
}

/**
 * Runs a plan again, as a whole, when it has failed by itself: what was cancelled is not tried again. Resolves to what the first attempt
 * that is fulfilled resolves to, and fails with the error of the last.
 *
 * The delay between two attempts is a timer of the ring (`IORING_OP_TIMEOUT`, since 5.4). A function of the rule runs inside the ring's
 * completion handling; when it throws, or gives an odd delay, the plan has failed with that error.
 *
 * @example
 * ```ts
 * import { read, retry, Ring, RWF_NOWAIT } from "uring-ublk";
 * import { openSync } from "node:fs";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = openSync("/proc/version", "r");
 * const buffer = new Uint8Array(5);
 * const eager = read({ fd, buffer, offset: 0, flags: RWF_NOWAIT });
 * const patient = retry(eager, { attempts: 3, on: ["EAGAIN"], delay: (attempts) => attempts * 2 });
 * const outcome = await ring.settle(patient);
 * console.log(outcome.attempts.length >= 1); // true
 * ```
 */
export function retry<Value, Outcome>(plan: Part<Value, Outcome>, rule: RetryRule): Retry<Value, RetryOutcome<Outcome>> {
  checkPart("retry", "plan", plan);
  checkKnown("retry", rule, ["attempts", "on", "delay"]);
  const { attempts, on = () => true, delay = 0 } = rule;
  checkInteger("retry", "attempts", attempts, 2, 1_000_000, "how often it is tried in all");
  if (typeof on !== "function" && !(Array.isArray(on) && on.every((code) => typeof code === "string")))
    throw new TypeError(`retry: on is ${show(on)}; it must be an array of codes, such as ["EAGAIN"], or a function`);
  if (typeof delay !== "function") checkDelay(delay);
  return new Retry(plan, { attempts, on: typeof on === "function" ? on : Object.freeze([...on]), delay });
}
