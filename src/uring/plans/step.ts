import { show } from "../options.ts";
import type { Execution, Parent, PlanContext } from "./execution.ts";
import { Explanation } from "./explanation.ts";
import { type Unsuccessful, unsuccessful } from "./outcome.ts";
import type { Part } from "./plan.ts";
import { StepExecution } from "./step-execution.ts";

/** A part of a plan that is made when its turn comes; {@link step} makes it. */
export class Step<in Previous, out Value, out Outcome> {
  /** Makes the part. @internal */
  readonly make: (previous: Previous) => Part<Value, Outcome>;
  /** It counts as one operation. @internal */
  readonly width = 1;

  /** @internal */
  constructor(make: (previous: Previous) => Part<Value, Outcome>) {
    this.make = make;
    Object.freeze(this);
  }

  /** What carries it out. @internal */
  execution(context: PlanContext, parent: Parent): Execution {
    return new StepExecution(this, context, parent);
  }

  /** @internal */
  explain(): Explanation {
    return new Explanation("step", "made when its turn comes, and carried out like any other part");
  }

  /** The outcome of a step that was never made. @internal */
  unstarted(reason: unknown): unknown {
    return unsuccessful("unstarted", reason);
  }
}

/**
 * A part that depends on a result: in a {@link chain} the function is called when the step's turn comes, with what the step before it
 * resolved to; as a member of a {@link group}, or as its `release`, with what the leader resolved to. What it returns is run as a part of
 * the plan. It is never called when what it depends on was not fulfilled, nor after an abort.
 *
 * The function runs inside the ring's completion handling: it must not wait. When it throws, or returns what is no plan or cannot run on
 * the ring, the step has failed with that error. A plan that is larger than one operation at a time takes what is free of the ring.
 *
 * @example
 * ```ts
 * import { chain, close, openat, read, Ring, step } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const buffer = new Uint8Array(5);
 * const readIt = chain(
 *   openat({ path: "/proc/version" }),
 *   step((fd) => chain(read({ fd, buffer, offset: 0 }), close({ fd }).always())),
 * );
 * const [, [bytes]] = await ring.run(readIt);
 * console.log(bytes, new TextDecoder().decode(buffer)); // 5 Linux
 * ```
 */
export function step<Previous, Value, Outcome>(
  make: (previous: Previous) => Part<Value, Outcome>,
): Step<Previous, Value, Outcome | Unsuccessful> {
  if (typeof make !== "function") throw new TypeError(`step: ${show(make)} is no function; give one that returns an operation or a plan`);
  return new Step(make);
}
