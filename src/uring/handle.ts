import type { CompletionQueue } from "./completion.ts";
import { UringError } from "./error.ts";

const ENOENT = -2;

/** An operation in flight on the raw layer: the two words of its user_data. */
export interface RawTarget {
  /** Its slot. */
  readonly slot: number;
  /** The generation that {@link RingCore.arm} counted: `raw.generation(slot)`. */
  readonly generation: number;
}

/** What operations on operations name: a handle of the described layer, or a slot of the raw one. */
export type Target = OperationHandle | RawTarget;

/**
 * A name for an operation in flight: `ring.run(operation, { handle })` ties it, until the final CQE. {@link cancel},
 * {@link timeoutUpdate}, {@link pollUpdate} and their like take it as `target`.
 *
 * It never leads to another operation: what has ended is not found, with ENOENT, also when its slot is in use again. One handle
 * names one operation at a time, one after the other.
 *
 * @example
 * ```ts
 * import { cancel, OperationHandle, Ring, timeout } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const handle = new OperationHandle();
 * const waiting = ring.settle(timeout({ ms: 60_000 }), { handle });
 * await ring.run(cancel({ target: handle }));
 * console.log((await waiting).status, handle.inFlight); // failed false
 * ```
 */
export class OperationHandle {
  #raw: CompletionQueue | undefined;
  #slot = -1;
  #generation = 0;
  #taken = false;

  /** Whether its operation is in flight. One that waits for room in the ring is not yet. */
  get inFlight(): boolean {
    const raw = this.#raw;
    return raw?.inFlightAt(this.#slot) === true && raw.generation(this.#slot) === this.#generation;
  }

  /** Whether it names an operation that has not ended. @internal */
  get taken(): boolean {
    return this.#taken;
  }

  /** An operation takes the handle. @internal */
  take(): void {
    this.#taken = true;
  }

  /** Its operation is in flight now. @internal */
  bind(raw: CompletionQueue, slot: number): void {
    this.#raw = raw;
    this.#slot = slot;
    this.#generation = raw.generation(slot);
  }

  /** Its operation has ended. @internal */
  free(): void {
    this.#raw = undefined;
    this.#taken = false;
  }

  /** The operation's user_data, for an operation on that ring. @internal */
  resolve(raw: CompletionQueue | undefined, operation: string): RawTarget {
    if (!this.inFlight) throw notInFlight(operation);
    if (raw !== undefined && raw !== this.#raw) throw new TypeError(`${operation}: target is in flight on another ring`);
    return { slot: this.#slot, generation: this.#generation };
  }
}

/** The user_data of a target. The kernel answers for a raw one that is not in flight; a handle knows it before. */
export function resolveTarget(target: unknown, raw: CompletionQueue | undefined, operation: string): RawTarget {
  if (target instanceof OperationHandle) return target.resolve(raw, operation);
  const { slot, generation } = (target ?? {}) as Partial<RawTarget>;
  if (Number.isInteger(slot) && Number.isInteger(generation)) return target as RawTarget;
  throw new TypeError(`${operation}: target must be an OperationHandle, or { slot, generation } of the raw layer`);
}

function notInFlight(operation: string): UringError {
  return new UringError({
    operation,
    errno: ENOENT,
    hint: "the operation that the handle names has not begun, or has ended",
  });
}
