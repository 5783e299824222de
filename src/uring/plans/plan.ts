import type { Operation } from "../operation.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import type { ExplainContext, Explanation } from "./explanation.ts";

declare const value: unique symbol;
declare const outcome: unique symbol;

/**
 * What can be run as a whole: an operation is the smallest one; {@link chain}, {@link group}, {@link all}, {@link deadline} and
 * {@link retry} make larger ones of it. A plan is an immutable value: making it does nothing, and it may be run any number of times.
 *
 * `Value` is what `ring.run` resolves to, `Outcome` what `ring.settle` tells; both have the plan's shape.
 */
export abstract class Plan<out Value, out Outcome> {
  declare readonly [value]: Value;
  declare readonly [outcome]: Outcome;

  /** Slots and completion queue entries that it needs at a time, as far as it is known before it runs: a `step` counts as one. */
  abstract readonly width: number;

  /** Looks at every operation that is known before it runs. @internal */
  abstract visit(look: (operation: Operation<unknown>) => void): void;

  /** What carries it out. @internal */
  abstract execution(context: PlanContext, parent: Parent): Execution;

  /** How it will be carried out. @internal */
  abstract explain(context: ExplainContext): Explanation;

  /** The outcome of a plan of which nothing began. @internal */
  abstract unstarted(reason: unknown): unknown;

  /**
   * The same as a step of a {@link chain} that runs in its turn whatever became of the steps before, also when the chain is aborted:
   * for what must be closed or given back. Nothing cancels it.
   */
  always(): Always<Value, Outcome> {
    return new Always(this);
  }
}

/** A step that a chain takes in any case; {@link Plan.always} makes it. */
export class Always<out Value, out Outcome> {
  /** What is done. @internal */
  readonly plan: Plan<Value, Outcome>;

  /** @internal */
  constructor(plan: Plan<Value, Outcome>) {
    this.plan = plan;
    Object.freeze(this);
  }
}

/** What is done in the turn of a step, which may be one that is taken in any case. */
export const partOf = <P extends object>(link: P | Always<unknown, unknown>): P | Plan<unknown, unknown> =>
  link instanceof Always ? link.plan : link;

/** What may be a part of a plan: anything that is over at some point. */
export type Part<Value, Outcome> = Plan<Value, Outcome> & { readonly multishot?: undefined; readonly drained?: undefined };
