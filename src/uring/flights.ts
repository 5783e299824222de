import { Canceller } from "./canceller.ts";
import type { Driver } from "./driver.ts";
import { kernelIsAtLeast } from "./features.ts";
import type { OperationHandle } from "./handle.ts";
import { type Host, InFlight } from "./in-flight.ts";
import type { Operation } from "./operation.ts";
import type { RawRing } from "./raw-ring.ts";

/** Slots kept free for cancels, so that an abort never waits behind what it aborts. */
export const RESERVED = 2;

/** Refuses a zero-copy send on a ring that drains; kernels before 6.13 drained in another way. */
function checkNoDrain(): void {
  if (!kernelIsAtLeast("6.13")) return;
  throw new TypeError(
    "a zero-copy send on a ring that has drained waits for its own notification, for ever: Linux counts that among what was queued " +
      "before; send on another ring, or with send and sendmsg",
  );
}

/**
 * The described operations of a ring: which slot each has in flight, and which wait, in order, for room.
 *
 * One completion handler serves all of them, and objects of operations that have ended serve the next: running an operation allocates
 * little more than its promise.
 */
export class Flights implements Host {
  readonly raw: RawRing;
  readonly driver: Driver;
  readonly cancels: Canceller;
  private readonly seated: (InFlight | undefined)[] = [];
  private readonly spare: InFlight[] = [];
  private readonly waiting = new Set<InFlight>();
  private readonly handler: (result: number, flags: number, slot: number) => void;
  private flying = 0;

  constructor(raw: RawRing, driver: Driver) {
    this.raw = raw;
    this.driver = driver;
    this.cancels = new Canceller(raw, () => driver.kick());
    const { seated } = this;
    this.handler = (result, flags, slot) => seated[slot]!.complete(result, flags);
  }

  /** How many are in flight. */
  get count(): number {
    return this.flying;
  }

  /** Runs an operation for its promise. */
  run<Result>(operation: Operation<Result>, signal?: AbortSignal, handle?: OperationHandle): Promise<Result> {
    const flight = this.spare.pop() ?? new InFlight(this);
    const promise = new Promise<Result>(flight.executor);
    flight.take(operation, signal, handle);
    this.start(flight);
    return promise;
  }

  /** The same for one that completes once, with neither time limit nor signal nor handle: the path that must be short. */
  runPlain<Result>(operation: Operation<Result>): Promise<Result> {
    const flight = this.spare.pop() ?? new InFlight(this);
    const promise = new Promise<Result>(flight.executor);
    flight.takePlain(operation);
    if (this.waiting.size === 0 && this.hasRoom(1)) flight.begin();
    else this.waiting.add(flight);
    this.driver.kick();
    return promise;
  }

  /** Begins, or waits for room behind those that do already. */
  start(flight: InFlight): void {
    if (this.waiting.size === 0 && this.hasRoom(flight.size)) flight.begin();
    else this.waiting.add(flight);
    this.driver.kick();
  }

  /** Begins what waits, as far as there is room. */
  admit(): void {
    if (this.waiting.size > 0) this.admitWaiting();
  }

  /** @internal */
  seat(flight: InFlight): number {
    const { completions } = flight;
    if (completions === "notify" && this.raw.drains) checkNoDrain();
    const slot = this.raw.allocate(this.handler, completions);
    this.seated[slot] = flight;
    this.flying++;
    return slot;
  }

  /** @internal */
  finished(slot: number): void {
    // A ring that failed meanwhile has let go of all.
    if (slot >= 0 && this.seated[slot] !== undefined) {
      this.seated[slot] = undefined;
      this.flying--;
    }
    if (this.waiting.size > 0) this.admitWaiting();
  }

  /** @internal */
  withdraw(flight: InFlight): boolean {
    return this.waiting.delete(flight);
  }

  /** @internal */
  retired(flight: InFlight): void {
    flight.clear();
    if (!flight.lent && this.spare.length < this.raw.record.cqEntries) this.spare.push(flight);
  }

  /** Cancels all; those in flight still end with their own CQEs. */
  cancel(reason: unknown): void {
    for (const flight of [...this.waiting]) flight.cancel(reason);
    for (let slot = 0; slot < this.seated.length; slot++) this.seated[slot]?.cancel(reason);
  }

  /** How many only lack the notification of a zero-copy send. */
  notifications(): number {
    return this.seated.filter((flight) => flight?.notifying).length;
  }

  /** Nothing will complete any more: rejects all. Answers those that were in flight; what they pin must be kept. */
  abandon(error: unknown): InFlight[] {
    const left = this.seated.filter((flight) => flight !== undefined);
    this.seated.length = 0;
    this.flying = 0;
    for (const flight of [...left, ...this.waiting]) flight.abandon(error);
    this.waiting.clear();
    return left;
  }

  private hasRoom(size: number): boolean {
    const { raw } = this;
    return raw.inFlight + size <= raw.record.cqEntries && raw.freeSlots >= RESERVED + size;
  }

  private admitWaiting(): void {
    for (const flight of this.waiting) {
      if (!this.hasRoom(flight.size)) return;
      this.waiting.delete(flight);
      flight.begin();
    }
  }
}
