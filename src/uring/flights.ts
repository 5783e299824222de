import { Canceller } from "./canceller.ts";
import type { Driver } from "./driver.ts";
import type { Host, Room, Seat } from "./flight-host.ts";
import type { OperationHandle } from "./handle.ts";
import { InFlight } from "./in-flight.ts";
import { kernelIsAtLeast } from "./kernel-release.ts";
import type { Operation } from "./operation.ts";
import { type Home, PlainFlight } from "./plain-flight.ts";
import type { RawRing } from "./raw-ring.ts";

/** Slots kept free for cancels, so that an abort never waits behind what it aborts. */
export const RESERVED = 2;

/** What waits, in order, for room. */
export interface Waiting {
  /** Slots and CQEs that it takes at a time. */
  readonly size: number;
  begin(): void;
  /** It need not begin any more. */
  cancel(reason: unknown): void;
  /** The ring is gone. */
  abandon(error: unknown): void;
}

/** What holds slots between its runs. */
export interface HeldSlots {
  /** Its place among those of its ring. */
  place: number;
  /** How many of its slots have nothing in flight: there is room for their CQEs. */
  readonly idle: number;
}

/** A plan that is being run. */
export interface RunningPlan {
  /** Its place among those of its ring. */
  place: number;
  /** Starts nothing more, and cancels what is in flight. */
  cancel(reason: unknown): void;
  /** Whatever of it has a slot of its own must have a seat. */
  seat(): void;
}

// How the kernel counts what a drain waits for was written anew between the two.
const COUNTS_REQUESTS = "6.16"; // of the tested kernels the first; 6.12 counts CQEs

/** Refuses a zero-copy send on a ring that has drained, where the kernel never begins it. */
function checkNoDrain(): void {
  if (!kernelIsAtLeast("6.13")) return;
  throw new TypeError(
    "a zero-copy send on a ring that has drained waits for its own notification, for ever: Linux counts that among what was queued " +
      "before; send on another ring, or with send and sendmsg",
  );
}

/** Refuses a drain on a ring that has sent without copying, where the kernel never begins it. */
function checkNoZeroCopy(): void {
  if (kernelIsAtLeast(COUNTS_REQUESTS)) return;
  throw new TypeError(
    `drain() on a ring that has sent without copying waits for ever: before Linux ${COUNTS_REQUESTS} the kernel expects one completion too ` +
      "many of such a send; drain on another ring, or send with send and sendmsg",
  );
}

// Lists whose members know their places. A Set would make garbage.
function join<Member extends { place: number }>(list: Member[], member: Member): void {
  member.place = list.length;
  list.push(member);
}

function part<Member extends { place: number }>(list: Member[], member: Member): void {
  const last = list.pop()!;
  if (last === member) return;
  list[member.place] = last;
  last.place = member.place;
}

/**
 * The described operations of a ring: which slot each has in flight, and which wait, in order, for room.
 *
 * One completion handler serves all of them, and objects of operations that have ended serve the next: running an operation allocates
 * little more than its promise.
 */
export class Flights implements Host, Home {
  readonly raw: RawRing;
  readonly driver: Driver;
  readonly cancels: Canceller;
  private readonly seated: (Seat | undefined)[] = [];
  private readonly spare: InFlight[] = [];
  private readonly plain: PlainFlight[] = []; // by slot
  private readonly waiting = new Set<Waiting>();
  private readonly parts = new Set<Waiting>(); // operations of plans that have begun: before all others
  /** Plans that are being run, or may be started again at once by the callback that hears of their end. */
  readonly plans: RunningPlan[] = [];
  /** Room that is kept for plans, and not taken by their operations. */
  reserved = 0;
  /** Slots that volleys hold, beside the seats. */
  held = 0;
  /** Those volleys. */
  readonly volleys: HeldSlots[] = [];
  /** Of each of them: which of its volley's slots it is. */
  readonly places: number[] = [];
  /** The ring is being closed: what has begun goes on, and nothing else begins. */
  ending = false;
  private zeroCopied = false; // a zero-copy send was queued at some time
  #gone: { readonly error: unknown } | undefined;
  private readonly handler: (result: number, flags: number, slot: number) => void;
  private flying = 0;

  constructor(raw: RawRing, driver: Driver) {
    this.raw = raw;
    this.driver = driver;
    this.cancels = new Canceller(
      raw,
      () => driver.kick(),
      () => this.reserved,
    );
    const { seated } = this;
    this.handler = (result, flags, slot) => seated[slot]!.complete(result, flags);
  }

  /** How many are in flight. */
  get count(): number {
    return this.flying + this.held - this.idle;
  }

  // Of the slots that are held. Added up when somebody asks: what happens to an operation is oftener.
  private get idle(): number {
    let idle = 0;
    for (let i = 0; i < this.volleys.length; i++) idle += this.volleys[i]!.idle;
    return idle;
  }

  /** An object for the next operation. */
  flight(): InFlight {
    return this.spare.pop() ?? new InFlight(this);
  }

  /** Runs an operation for its promise. */
  run<Result>(operation: Operation<Result>, signal?: AbortSignal, handle?: OperationHandle): Promise<Result> {
    const flight = this.flight();
    const promise = new Promise<Result>(flight.executor);
    flight.take(operation, signal, handle);
    this.start(flight);
    return promise;
  }

  /** The same for a {@link PlainFlight}: the path that must be short. */
  runPlain<Result>(operation: Operation<Result>): Promise<Result> {
    if (this.waiting.size > 0 || this.parts.size > 0 || !this.hasRoom(1)) return this.run(operation);
    const slot = this.raw.allocate(this.handler);
    const flight = this.plain[slot] ?? this.plainAt(slot);
    this.seated[slot] = flight;
    this.flying++;
    const promise = new Promise<Result>(flight.executor);
    flight.begin(operation);
    this.driver.kick();
    return promise;
  }

  private plainAt(slot: number): PlainFlight {
    while (this.plain.length <= slot) this.plain.push(new PlainFlight(this, this.plain.length));
    return this.plain[slot]!;
  }

  /** @internal */
  landed(slot: number): void {
    this.raw.release(slot);
    this.vacate(slot);
  }

  /** @internal */
  unbegun(slot: number, error: unknown): void {
    const seat = this.seated[slot];
    if (seat instanceof InFlight) seat.unbegun(slot, error);
  }

  /** @internal */
  takeOver(plain: PlainFlight): InFlight {
    const flight = this.flight();
    flight.takeOver(plain);
    plain.leave();
    this.seated[plain.slot] = flight;
    return flight;
  }

  /** Begins, or waits for room behind those that do already. */
  start(flight: Waiting): void {
    if (this.refuses(flight)) return;
    if (this.waiting.size === 0 && this.parts.size === 0 && this.hasRoom(flight.size)) flight.begin();
    else this.enqueue(this.waiting, flight);
    this.driver.kick();
  }

  /** The same for an operation of a plan that has begun: it waits for no plan that has not. */
  startPart(flight: InFlight): void {
    if (this.parts.size === 0 && this.hasRoom(flight.size)) flight.begin();
    else this.enqueue(this.parts, flight);
  }

  /** So many CQ entries are needed: for what is in flight with the room that is kept, and for the largest of what waits. */
  needed(): number {
    this.seatAll();
    let needed = this.raw.inFlight + this.reserved + this.idle;
    for (const queue of [this.parts, this.waiting]) for (const { size } of queue) needed = Math.max(needed, size);
    return needed;
  }

  /** Tells what comes when the ring is gone already that it is. */
  refuses(flight: Pick<Waiting, "abandon">): boolean {
    if (this.#gone === undefined) return false;
    flight.abandon(this.#gone.error);
    return true;
  }

  /** A plan begins to run, or to wait. */
  enter(plan: RunningPlan): void {
    join(this.plans, plan);
  }

  /** It is over. */
  leave(plan: RunningPlan): void {
    part(this.plans, plan);
  }

  /** A volley has taken so many slots. */
  hold(volley: HeldSlots, slots: number): void {
    this.held += slots;
    join(this.volleys, volley);
  }

  /** It has given them up, or handed them over. */
  letGo(volley: HeldSlots, slots: number): void {
    this.held -= slots;
    part(this.volleys, volley);
  }

  /** Whether so many operations can be queued for one submit, now, without taking anybody's turn. */
  canSubmit(count: number): boolean {
    return this.quiet && this.hasRoom(count) && this.raw.sqRoom >= count;
  }

  /** Nobody waits for room, and the ring is not gone. */
  get quiet(): boolean {
    return this.#gone === undefined && this.waiting.size === 0 && this.parts.size === 0;
  }

  /** Begins what waits, as far as there is room. */
  admit(): void {
    this.admitAll();
  }

  /** @internal */
  seat(seat: Seat): number {
    const { completions } = seat;
    if (completions === "notify") {
      if (this.raw.drains) checkNoDrain();
      this.zeroCopied = true;
    } else if (this.zeroCopied && seat.drains) checkNoZeroCopy();
    const slot = this.raw.allocate(this.handler, completions);
    this.seated[slot] = seat;
    this.flying++;
    return slot;
  }

  /** Completions of a slot that is taken belong to it from now on. */
  adopt(slot: number, seat: Seat): void {
    this.raw.reassign(slot, this.handler);
    this.seated[slot] = seat;
    this.flying++;
  }

  /** Completions of the slot belong to nobody; what it had in a `room` that was kept is free. */
  vacate(slot: number, room?: Room, size = 1): void {
    // A ring that failed meanwhile has let go of all.
    if (slot >= 0 && this.seated[slot] !== undefined) {
      this.seated[slot] = undefined;
      this.flying--;
    }
    room?.free(size); // before others take it
    this.admitAll();
  }

  /** @internal */
  finished(slot: number, flight: InFlight): void {
    const { reservation, size } = flight;
    flight.reservation = undefined;
    this.vacate(slot, reservation, size);
  }

  /** @internal */
  withdraw(flight: Waiting): boolean {
    return this.waiting.delete(flight) || this.parts.delete(flight as InFlight);
  }

  /** @internal */
  retired(flight: InFlight): void {
    flight.clear();
    if (!flight.lent && this.spare.length < this.raw.record.cqEntries) this.spare.push(flight);
  }

  /** Cancels all; those in flight still end with their own CQEs. */
  cancel(reason: unknown): void {
    for (const plan of [...this.plans]) plan.cancel(reason); // what they do in any case, they still do
    for (const flight of [...this.waiting]) flight.cancel(reason);
    for (let slot = 0; slot < this.seated.length; slot++) if (this.seated[slot]?.planned === false) this.seated[slot]!.cancel?.(reason);
  }

  /** How many only lack the notification of a zero-copy send. */
  notifications(): number {
    return this.seated.filter((flight) => flight?.notifying).length;
  }

  /** Nothing will complete any more: rejects all. Answers those that were in flight; what they pin must be kept. */
  abandon(error: unknown): Seat[] {
    this.seatAll();
    this.#gone = { error };
    const left = this.seated.filter((flight) => flight !== undefined);
    const waiting = [...this.parts, ...this.waiting];
    this.seated.length = 0;
    this.flying = 0;
    this.waiting.clear();
    this.parts.clear();
    for (const flight of [...left, ...waiting]) flight.abandon(error);
    return left;
  }

  // Nobody waits for room that a plan has and does not need.
  private enqueue(queue: Set<Waiting>, flight: Waiting): void {
    queue.add(flight);
    if (this.held === 0) return;
    this.seatAll();
    this.admitAll();
  }

  // What volleys hold goes over to their plans, which keep only what they need.
  private seatAll(): void {
    if (this.held > 0) for (const plan of [...this.plans]) plan.seat();
  }

  private hasRoom(size: number): boolean {
    const { raw } = this;
    const needed = size + this.reserved;
    const room = raw.record.cqEntries - raw.inFlight - needed;
    return (room >= this.held || room >= this.idle) && raw.freeSlots >= RESERVED + needed; // idle is at most what is held
  }

  private admitAll(): void {
    if (this.parts.size === 0 && this.waiting.size === 0) return;
    this.admitFrom(this.parts);
    if (this.parts.size === 0) this.admitFrom(this.waiting);
  }

  private admitFrom(queue: Set<Waiting>): void {
    for (const flight of queue) {
      if (!this.hasRoom(flight.size)) return;
      queue.delete(flight);
      flight.begin();
    }
  }
}
