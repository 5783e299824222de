import { IORING_CQE_F_NOTIF } from "../abi.ts";
import type { Flights, HeldSlots } from "../flights.ts";
import type { Lowering } from "../lowering.ts";
import type { CompletionHandler } from "../slots.ts";
import { type Links, linkBehind } from "./linked-execution.ts";
import type { OperationExecution } from "./operation-execution.ts";

/** Words of an SQE. */
const WORDS = 16;
/** The last of them that hold the user_data. */
const USER_DATA = 9;
/** What a result can say at most. */
const MOST = 0x7fff_ffff;

/** Operations that are queued together once those before are fulfilled, and the kernel links between them. */
export interface Salvo {
  readonly steps: readonly OperationExecution[];
  readonly links?: Links;
}

/** The plan that a volley carries out. */
export interface Volleyed {
  /** All of it was fulfilled. */
  flown(): void;
  /** It begins in the usual way: {@link OperationExecution.adopt} has told those that were queued. */
  begunBefore(): void;
}

/**
 * Carries out a prepared plan as long as all goes well: it queues copies of SQEs and counts their completions, and neither the parts of the plan
 * nor the ring's table of operations hear of it. Its slots are kept while the plan is started again from its own callback.
 *
 * As soon as anything is not a plain success, or the run is interrupted, or the ring ends, it is taken apart: what is in flight goes over to
 * the parts of the plan, which are told what has happened so far as if it had been theirs from the start.
 */
export class Volley implements HeldSlots {
  place = -1;
  /** It has its slots, and room in the ring for all of them. */
  holds = false;
  private left = 0; // operations in flight of those that were queued last
  readonly #plan: Volleyed;
  readonly #width: number;
  private readonly flights: Flights;
  private readonly salvos: readonly Salvo[];
  private readonly steps: readonly OperationExecution[];
  private readonly ends: Int32Array; // of each salvo: how many steps there are up to its end
  private readonly sqes: Int32Array; // one behind the other
  // What each pins: nearly always one array of bytes, which has its length as long as it has its memory.
  private readonly views: (Uint8Array | undefined)[];
  private readonly extents: Int32Array; // their lengths
  private readonly kept: (Lowering | undefined)[]; // otherwise
  private readonly least: Int32Array; // the results that are no failures
  private readonly results: Int32Array;
  private readonly handler: CompletionHandler;
  private readonly slots: Int32Array;
  private loaded = false; // the SQEs are those of the plan's operations
  private short = false; // none of them has anything behind its user_data
  private salvo = 0; // which is in flight
  private first = 0; // its first step
  private end = 0; // behind its last

  constructor(salvos: readonly Salvo[], flights: Flights, plan: Volleyed) {
    this.flights = flights;
    this.salvos = salvos;
    this.#plan = plan;
    this.steps = salvos.flatMap(({ steps }) => steps);
    let end = 0;
    this.ends = Int32Array.from(salvos, ({ steps }) => (end += steps.length));
    this.#width = Math.max(...salvos.map(({ steps }) => steps.length));
    this.sqes = new Int32Array(this.steps.length * WORDS);
    this.views = new Array<undefined>(this.steps.length).fill(undefined);
    this.extents = new Int32Array(this.steps.length);
    this.kept = new Array<undefined>(this.steps.length).fill(undefined);
    this.least = new Int32Array(this.steps.length);
    this.results = new Int32Array(this.steps.length);
    this.slots = new Int32Array(this.#width);
    this.handler = this.makeHandler();
  }

  /** It is in flight. */
  get flies(): boolean {
    return this.left > 0;
  }

  /** Slots that it holds, with nothing in flight. */
  get idle(): number {
    return this.#width - this.left;
  }

  /** It is over, and holds its slots all the same. */
  get over(): boolean {
    return this.holds && this.left === 0;
  }

  /** Begins a run. False when that must be done in the usual way. */
  begin(): boolean {
    const { flights } = this;
    if (!this.loaded) this.#load();
    if (!this.loaded || flights.ending || flights.raw.closed) return false;
    if (this.holds) return flights.quiet && this.send(0); // or others wait for the room
    if (!flights.canSubmit(this.#width)) return false;
    this.#take();
    if (this.send(0)) return true;
    this.release();
    return false;
  }

  /** Forgets the SQEs: the plan's operations may be others. */
  unload(): void {
    this.loaded = false;
  }

  /** Gives up slots and room, with nothing in flight. */
  release(): void {
    const { raw } = this.flights;
    for (const slot of this.slots) raw.release(slot);
    this.#leave();
  }

  /** Hands what is in flight, and what has just landed in a place, over to the parts of the plan. */
  takeApart(landing = -1): void {
    const { raw } = this.flights;
    const { first, end, slots, steps } = this;
    const landed = Array.from({ length: first }, (_, at) => at);
    for (const [place, slot] of slots.entries()) {
      if (place === landing || raw.inFlightAt(slot)) steps[first + place]!.adopt(slot);
      else {
        raw.release(slot);
        if (first + place < end) landed.push(first + place);
      }
    }
    this.#leave();
    this.loaded = false;
    this.#replay(landed);
  }

  /** Tells the parts of the plan of a run that is over. */
  tell(): void {
    this.#replay([...this.steps.keys()]);
  }

  // Begins the plan in the usual way, with some steps that complete at once.
  #replay(landed: readonly number[]): void {
    for (const at of landed) this.steps[at]!.adopt(-1);
    this.#plan.begunBefore();
    for (const at of landed) this.steps[at]!.complete(this.results[at]!, 0);
  }

  // Of the CQE of an operation. A closure, and one for all slots: where there is only one volley, the JIT takes all of it for constants.
  private makeHandler(): CompletionHandler {
    const { flights, least, results, views, kept } = this;
    return (result, flags, slot) => {
      const at = this.first + flights.places[slot]!;
      const view = views[at];
      const lost = view === undefined ? kept[at]?.detached === true : view.length === 0;
      if (result < least[at]! || (flags & IORING_CQE_F_NOTIF) !== 0 || lost) {
        this.landWithCare(at, result, flags);
        return;
      }
      results[at] = result;
      if (--this.left === 0) this.landed();
    };
  }

  private landWithCare(at: number, result: number, flags: number): void {
    this.takeApart(at - this.first);
    this.steps[at]!.complete(result, flags);
  }

  // The last of those that were queued together.
  private landed(): void {
    const next = this.salvo + 1;
    if (next === this.ends.length) this.#plan.flown();
    else if (this.send(next)) this.flights.driver.kick();
    else this.takeApart();
  }

  // Queues a salvo, if that can be done at once.
  private send(salvo: number): boolean {
    const first = salvo === 0 ? 0 : this.end;
    const end = this.ends[salvo]!;
    const count = end - first;
    if (!this.whole(first, end) || !this.flights.raw.prepCopies(count, this.slots, this.sqes, first * WORDS, this.short)) return false;
    this.salvo = salvo;
    this.first = first;
    this.end = end;
    this.left = count;
    return true;
  }

  // Whether what operations pin is what it was when their SQEs were made.
  private whole(first: number, end: number): boolean {
    const { views, extents } = this;
    for (let at = first; at < end; at++) {
      const view = views[at];
      if (view === undefined ? this.kept[at]?.whole === false : view.length !== extents[at]) return false;
    }
    return true;
  }

  #load(): void {
    let at = 0;
    this.short = true;
    for (const { steps, links } of this.salvos) {
      for (const [i, step] of steps.entries()) {
        const { lowered, modifiers } = step.bound();
        const least = modifiers.length ?? 0;
        if (lowered === undefined || least > MOST) return;
        this.sqes.set(lowered.sqe, at * WORDS);
        if (lowered.sqe.some((word, at) => word !== 0 && at > USER_DATA)) this.short = false;
        if (links !== undefined && i < steps.length - 1) this.sqes[at * WORDS]! |= linkBehind(links, i) << 8;
        const view = lowered.kept?.view(MOST);
        this.views[at] = view;
        this.extents[at] = view?.length ?? 0;
        this.kept[at] = lowered.kept;
        this.least[at++] = least;
      }
    }
    this.loaded = true;
  }

  #take(): void {
    const { flights, slots } = this;
    for (let place = 0; place < slots.length; place++) {
      const slot = flights.raw.allocate(this.handler);
      slots[place] = slot;
      flights.places[slot] = place;
    }
    this.holds = true;
    flights.hold(this, slots.length);
  }

  #leave(): void {
    this.holds = false;
    this.flights.letGo(this, this.#width);
    this.left = 0;
  }
}
