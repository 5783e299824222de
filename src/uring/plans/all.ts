import type { Operation } from "../operation.ts";
import { AllExecution } from "./all-execution.ts";
import { checkList, checkPart } from "./check.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import { type ExplainContext, Explanation } from "./explanation.ts";
import { type AllOutcome, unsuccessful } from "./outcome.ts";
import { type Part, Plan } from "./plan.ts";
import type { Outcomes, Values } from "./shape.ts";

/** Parts side by side; {@link all} makes it. */
export class All<out Value, out Outcome> extends Plan<Value, Outcome> {
  /** @internal */
  readonly parts: readonly Plan<unknown, unknown>[];
  readonly width: number;

  /** @internal */
  constructor(parts: readonly Plan<unknown, unknown>[]) {
    super();
    this.parts = Object.freeze([...parts]);
    this.width = parts.reduce((sum, { width }) => sum + width, 0);
    Object.freeze(this);
  }

  /** @internal */
  visit(look: (operation: Operation<unknown>) => void): void {
    for (const part of this.parts) part.visit(look);
  }

  /** @internal */
  execution(context: PlanContext, parent: Parent): Execution {
    return new AllExecution(this.parts, context, parent);
  }

  /** @internal */
  explain(context: ExplainContext): Explanation {
    const parts = this.parts.map((part) => part.explain(context));
    return new Explanation(`all of ${parts.length}`, "they begin in one submit", parts);
  }

  /** @internal */
  unstarted(reason: unknown): unknown {
    return { ...unsuccessful("unstarted", reason), parts: this.parts.map((part) => part.unstarted(reason)) };
  }
}

/**
 * Parts side by side, in no order: all of them begin at once, in one enter. It is over when all are over; when one fails the others run
 * on, and the whole has failed with the error that came first. Resolves to what the parts resolve to, in the order they were given.
 *
 * @example
 * ```ts
 * import { all, chain, nop, read, Ring } from "uring-ublk";
 * import { openSync } from "node:fs";
 * await using ring = await Ring.open({ entries: 8 });
 * const fd = openSync("/proc/version", "r");
 * const [head, tail] = [new Uint8Array(5), new Uint8Array(7)];
 * const both = all(read({ fd, buffer: head, offset: 0 }), read({ fd, buffer: tail, offset: 6 }));
 * console.log(await ring.run(chain(both, nop()))); // [ [ 5, 7 ], 0 ]
 * ```
 */
export function all<const Parts extends readonly [Part<unknown, unknown>, ...Part<unknown, unknown>[]]>(
  ...parts: Parts
): All<Values<Parts>, AllOutcome<Outcomes<Parts>>>;
export function all<Value, Outcome>(...parts: readonly Part<Value, Outcome>[]): All<Value[], AllOutcome<readonly Outcome[]>>;
export function all(...parts: readonly Plan<unknown, unknown>[]): All<unknown, unknown> {
  checkList("all", "parts", parts);
  for (const [i, part] of parts.entries()) checkPart("all", `part ${i + 1}`, part);
  return new All(parts);
}
