import { IOSQE_IO_DRAIN } from "../abi.ts";
import { MultishotOperation, Operation } from "../operation.ts";
import { show } from "../options.ts";
import { Always, Plan } from "./plan.ts";
import { Step } from "./step.ts";

const shown = (part: unknown): string => {
  if (part instanceof Always) return "an always(), which has a meaning only as a step of a chain";
  if (part instanceof Step) return "a step(...), which has a meaning only in a chain, as a member and as a release";
  return show(part);
};

/** Throws a TypeError unless `part` can be a part of a plan. */
export function checkPart(what: string, name: string, part: unknown): asserts part is Plan<unknown, unknown> {
  if (!(part instanceof Plan)) throw new TypeError(`${what}: ${name} is ${shown(part)}; it must be an operation or a plan`);
  if (part instanceof MultishotOperation)
    throw new TypeError(`${what}: ${name} is '${part.name}', which completes many times and is never over; iterate ring.run(...) of it`);
  if (part instanceof Operation && (part.modifiers.flags & IOSQE_IO_DRAIN) !== 0)
    throw new TypeError(`${what}: ${name} is a '${part.name}' that drains; parts of a plan are ordered by the plan, so leave drain() out`);
}

/** The same for a member of a group. */
export function checkMember(what: string, name: string, part: unknown): asserts part is Plan<unknown, unknown> {
  checkPart(what, name, part);
  if (part instanceof Operation && part.modifiers.limit !== undefined)
    throw new TypeError(
      `${what}: ${name} is a '${part.name}' with a link timeout, which may not stand inside a group; use deadline(operation, ms)`,
    );
}

/** Throws a TypeError for a list without parts. */
export function checkList(what: string, name: string, list: readonly unknown[]): void {
  if (!Array.isArray(list)) throw new TypeError(`${what}: ${name} is ${show(list)}; it must be an array`);
  if (list.length === 0) throw new TypeError(`${what}: there are no ${name}; give at least one`);
}

/** Throws a RangeError unless `delay` is a number of milliseconds. */
export function checkDelay(delay: unknown): number {
  if (typeof delay === "number" && delay >= 0 && delay <= Number.MAX_SAFE_INTEGER) return delay;
  throw new RangeError(`retry: delay is ${show(delay)}; it must be a number of milliseconds of at least 0, or a function that answers one`);
}
