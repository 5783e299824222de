import { keeping, Operation } from "../operation.ts";
import { show } from "../options.ts";
import type { Plan } from "./plan.ts";

/** Other operations for some of a prepared plan: pairs of one that the plan was made with, and one of the same kind. */
export type Patch = readonly (readonly [operation: Operation<unknown>, instead: Operation<unknown>])[];

/** What stands in the place of the operations of a prepared plan: the same at first, in a form that keeps its encoding. */
export class Bindings {
  /** Grows with every change. */
  revision = 1;
  readonly #bound = new Map<Operation<unknown>, Operation<unknown>>();

  constructor(plan: Plan<unknown, unknown>) {
    plan.visit((operation) => {
      if (!this.#bound.has(operation)) this.#bound.set(operation, keeping(operation));
    });
  }

  /** An operation of the plan. Every plan has one. */
  get first(): Operation<unknown> {
    return this.#bound.values().next().value!;
  }

  /** What stands in the place of an operation; of one that a step has made, the operation itself. */
  of(operation: Operation<unknown>): Operation<unknown> {
    return this.#bound.get(operation) ?? operation;
  }

  /** Throws for a patch that does not fit, with nothing changed. `problem` says why an operation cannot be run. */
  check(patch: Patch, problem: (operation: Operation<unknown>) => unknown): void {
    if (!Array.isArray(patch)) throw new TypeError(`prepared: the patch is ${show(patch)}; it must be an array of [operation, instead]`);
    for (const pair of patch as readonly unknown[]) {
      const [operation, instead] = (Array.isArray(pair) ? pair : []) as readonly unknown[];
      const was = this.#bound.get(operation as Operation<unknown>);
      if (was === undefined)
        throw new TypeError(
          `prepared: the patch names ${show(operation)}, which is no operation of the plan: name the very object that it has`,
        );
      if (!(instead instanceof Operation) || instead.declaration !== was.declaration)
        throw new TypeError(`prepared: in the place of '${was.name}' stands ${show(instead)}; it must be another '${was.name}'`);
      const other: Operation<unknown> = instead;
      if (
        other.width !== was.width ||
        other.modifiers.flags !== was.modifiers.flags ||
        (other.modifiers.length === undefined) !== (was.modifiers.length === undefined)
      )
        throw new TypeError(
          `prepared: '${was.name}' and what stands in its place differ in async(), exact() or within(); prepare another plan`,
        );
      const refused = problem(other);
      if (refused !== undefined) throw refused;
    }
  }

  /** Puts other operations in the place of some, from now on. */
  bind(patch: Patch): void {
    if (patch.length === 0) return;
    this.revision++;
    for (const [operation, instead] of patch) this.#bound.set(operation, keeping(instead));
  }
}
