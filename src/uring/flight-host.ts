import type { Canceller } from "./canceller.ts";
import type { Completions } from "./core.ts";
import type { InFlight } from "./in-flight.ts";
import type { RawRing } from "./raw-ring.ts";

/** What an operation in flight reports to whoever started it. */
export interface Listener<Result> {
  fulfil(value: Result): void;
  /** `running` when the operation goes on all the same: its value could not be made, and more CQEs will come. */
  reject(error: unknown, running?: boolean): void;
  /** Every CQE, before it is interpreted; multishot operations live on it. */
  completion?(result: number, flags: number, final: boolean): void;
  /** It is over: nothing more will be told. */
  over?(): void;
}

/** Whoever has a slot, and so gets its CQEs. */
export interface Seat {
  /** How many CQEs there will be. */
  readonly completions: Completions;
  /** Whether it waits for all that was queued before. */
  readonly drains: boolean;
  /** Whether it is part of a plan, whose run answers for it. */
  readonly planned: boolean;
  /** Whether only the notification of a zero-copy send is missing: the peer's pace, which no cancel quickens. */
  readonly notifying: boolean;
  /** A CQE of its slot. */
  complete(result: number, flags: number): void;
  /** Asks the kernel to cancel it; for what is no part of a plan. */
  cancel?(reason: unknown): void;
  /** The ring is gone: nothing will complete any more. What it pins stays pinned. */
  abandon(error: unknown): void;
}

/** Room in the ring that was kept for the plan of which an operation is a part. */
export interface Room {
  /** It is over, and so much is free again. */
  free(size: number): void;
  /** It waits no more. */
  forget(flight: InFlight): void;
}

/** What operations in flight need of their ring. */
export interface Host {
  readonly raw: RawRing;
  readonly cancels: Canceller;
  /** Gets `microtasksDue` when a promise is about to be settled. */
  readonly driver: { microtasksDue: boolean; kick(): void };
  /** Takes an operation out of the queue of those that wait for room; false when it does not wait. */
  withdraw(flight: InFlight): boolean;
  /** It has a slot: completions of the slot belong to it from now on. Answers the slot. */
  seat(seat: Seat): number;
  /** The final CQE of the slot came, or the operation could not be started. -1: it had no slot. The flight may have been in kept room. */
  finished(slot: number, flight: InFlight): void;
  /** Nobody will look at it again. */
  retired(flight: InFlight): void;
}
