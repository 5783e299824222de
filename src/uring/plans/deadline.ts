import { TimeLimitError } from "../error.ts";
import type { Operation } from "../operation.ts";
import { timeout } from "../ops/timeout.ts";
import { show } from "../options.ts";
import { checkPart } from "./check.ts";
import { DeadlineExecution } from "./deadline-execution.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import { type ExplainContext, Explanation } from "./explanation.ts";
import { type DeadlineOutcome, unsuccessful } from "./outcome.ts";
import { type Part, Plan } from "./plan.ts";

/** A plan with a time limit; {@link deadline} makes it. */
export class Deadline<out Value, out Outcome> extends Plan<Value, Outcome> {
  /** @internal */
  readonly plan: Plan<unknown, unknown>;
  /** The milliseconds it is given. */
  readonly ms: number;
  /** The timer beside the plan. @internal */
  readonly timer: Operation<unknown>;
  readonly width: number;

  /** @internal */
  constructor(plan: Plan<unknown, unknown>, ms: number) {
    super();
    this.plan = plan;
    this.ms = ms;
    this.timer = timeout({ ms });
    this.width = plan.width + 1;
    Object.freeze(this);
  }

  /** @internal */
  visit(look: (operation: Operation<unknown>) => void): void {
    look(this.timer);
    this.plan.visit(look);
  }

  /** @internal */
  execution(context: PlanContext, parent: Parent): Execution {
    return new DeadlineExecution(this, context, parent);
  }

  /** @internal */
  explain(context: ExplainContext): Explanation {
    const plan = this.plan.explain({ ...context, interruptible: true });
    return new Explanation(`deadline of ${this.ms} ms`, "a timer of the ring beside it; when it has run, cancels", [plan]);
  }

  /** @internal */
  unstarted(reason: unknown): unknown {
    return { ...unsuccessful("unstarted", reason), plan: this.plan.unstarted(reason) };
  }

  /** @internal */
  error(): TimeLimitError {
    return new TimeLimitError("deadline", this.ms);
  }
}

/**
 * A plan with a time limit on the whole of it: a timer of the ring (`IORING_OP_TIMEOUT`, since 5.4) runs beside it, from when its turn has
 * come. When the time is over, what is in flight is cancelled, nothing more starts (but for `always()` and `release`), and it fails with a
 * {@link TimeLimitError} (`code` `"ETIME"`) once the last CQE has come. What has completed has completed: a plan whose last operation
 * crosses with the deadline is fulfilled.
 *
 * `ms` are milliseconds of the monotonic clock, fractions allowed. For one operation {@link within} costs less: the kernel does it.
 *
 * @example
 * ```ts
 * import { chain, deadline, nop, Ring, TimeLimitError, timeout } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const slow = chain(nop(), timeout({ ms: 60_000 }), nop());
 * const outcome = await ring.settle(deadline(slow, 5));
 * if (outcome.status !== "fulfilled" && outcome.reason instanceof TimeLimitError) console.log(outcome.code, outcome.reason.ms); // ETIME 5
 * console.log(outcome.plan.steps.map(({ status }) => status)); // [ "fulfilled", "cancelled", "unstarted" ]
 * ```
 */
export function deadline<Value, Outcome>(plan: Part<Value, Outcome>, ms: number): Deadline<Value, DeadlineOutcome<Outcome>> {
  checkPart("deadline", "plan", plan);
  if (typeof ms !== "number" || !(ms >= 0) || ms > Number.MAX_SAFE_INTEGER)
    throw new RangeError(`deadline: ms is ${show(ms)}; it must be a number of milliseconds of at least 0`);
  return new Deadline(plan, ms);
}
