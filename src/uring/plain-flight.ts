import { IORING_CQE_F_NOTIF } from "./abi.ts";
import type { Canceller } from "./canceller.ts";
import type { Seat } from "./flight-host.ts";
import type { InFlight } from "./in-flight.ts";
import { Lowering } from "./lowering.ts";
import type { Operation } from "./operation.ts";
import type { RawRing } from "./raw-ring.ts";

/** What a {@link PlainFlight} needs of its ring's flights. */
export interface Home {
  readonly raw: RawRing;
  readonly driver: { microtasksDue: boolean };
  readonly cancels: Canceller;
  /** The slot is free. */
  landed(slot: number): void;
  /** What the slot's operation was meanwhile taken over by, if the ring has not failed, could not be begun. */
  unbegun(slot: number, error: unknown): void;
  /** Its operation goes on as one that needs care. */
  takeOver(flight: PlainFlight): InFlight;
}

/**
 * What nearly all operations are: run for a promise, with one CQE, no time limit, no signal and no handle. Every slot has one of these,
 * which serves one operation after the other; what is anything else than a success is taken over by an {@link InFlight}.
 */
export class PlainFlight implements Seat {
  readonly completions = "one";
  readonly drains = false;
  readonly planned = false;
  readonly notifying = false;
  readonly slot: number;
  /** An executor for the promise of the next operation. */
  readonly executor: (fulfil: (value: never) => void, reject: (error: unknown) => void) => void;
  operation: Operation<unknown> | undefined;
  fulfil: ((value: unknown) => void) | undefined;
  reject: ((error: unknown) => void) | undefined;
  /** What the operation pins, and where the next one collects what it pins: the same, unless it keeps its encoding. */
  collected = new Lowering();
  private own = this.collected;
  private readonly home: Home;

  constructor(home: Home, slot: number) {
    this.home = home;
    this.slot = slot;
    this.executor = (fulfil, reject) => {
      this.fulfil = fulfil as (value: unknown) => void;
      this.reject = reject;
    };
  }

  /** Writes the SQE. A description that cannot be encoded rejects, with nothing queued and nothing kept. */
  begin(operation: Operation<unknown>): void {
    const { home, slot } = this;
    this.operation = operation;
    try {
      this.collected = operation.encode(home.raw, slot, this.own);
      if (this.operation === undefined) this.takenOver(); // by a handler that ran while room was made
    } catch (error) {
      const { reject } = this;
      if (reject === undefined) home.unbegun(slot, error);
      else {
        this.clear();
        home.landed(slot);
        home.driver.microtasksDue = true;
        reject(error);
      }
    }
  }

  private takenOver(): void {
    this.collected = this.own;
    this.home.cancels.add(this.slot);
  }

  /** Its CQE. */
  complete(result: number, flags: number): void {
    const { home, fulfil, collected } = this;
    if (result < 0 || (flags & IORING_CQE_F_NOTIF) !== 0 || collected.detached) {
      home.takeOver(this).complete(result, flags);
      return;
    }
    const { declaration, options } = this.operation!;
    let value: unknown;
    try {
      value = declaration.result(result, flags, options as never, collected);
    } catch {
      home.takeOver(this).complete(result, flags); // which asks again, and tells
      return;
    }
    this.clear();
    home.landed(this.slot);
    home.driver.microtasksDue = true;
    fulfil!(value);
  }

  /** Asks the kernel to cancel. */
  cancel(reason: unknown): void {
    this.home.takeOver(this).cancel(reason);
  }

  /** The ring is gone: nothing will complete any more. What the operation pins stays pinned. */
  abandon(error: unknown): void {
    const { reject } = this;
    this.reject = undefined;
    this.home.driver.microtasksDue = true;
    reject?.(error);
  }

  /** Another has taken over, and pins what this has collected. */
  leave(): void {
    this.own = new Lowering();
    this.clear();
  }

  private clear(): void {
    this.operation = undefined;
    this.fulfil = undefined;
    this.reject = undefined;
    this.own.clear();
    this.collected = this.own;
  }
}
