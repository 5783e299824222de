import { IOSQE_IO_DRAIN } from "./abi.ts";
import { ProtocolError } from "./error.ts";
import type { RingMemory, RingRecord } from "./setup.ts";
import { copyHead, copyTail } from "./sqe-copy.ts";
import { IN_FLIGHT, LAST_SQE, ORDINARY, SQ_TAIL, SUBMITTED, SubmissionQueue } from "./submission.ts";

/** Called for each CQE of a slot: result (negative errno on failure), CQE flags, and the slot itself. */
export type CompletionHandler = (result: number, flags: number, slot: number) => void;

/** Completions an operation posts: one CQE; many, until one comes without F_MORE; or a result and a later notification. */
export type Completions = "one" | "many" | "notify";

export const ONE = 1;
const MANY = 2;
const NOTIFY = 3;

const DRAIN = IOSQE_IO_DRAIN << 8; // in an SQE's first word

/** user_data of the NOPs that pad a mixed ring; nobody waits for them. */
export const FILLER = 0x7fff_ffff;

/**
 * Who gets a CQE: a table of slots, each with a handler and the generation of its latest operation. A CQE's user_data is slot and
 * generation.
 */
export abstract class SlotTable extends SubmissionQueue {
  /** The failure that ended the ring, if one did: a protocol violation or an enter that cannot work. */
  failure: Error | undefined;
  /** The memory is gone. */
  protected ended = false;
  /** Slots are armed without a second look: the ring is neither closed nor failed, and its SQ is used in turn. */
  protected usual: boolean;
  /** The same of a ring that has permanent SQEs beside the others. */
  protected inTurn: boolean;
  declare protected readonly handlers: CompletionHandler[];
  /** Of each slot: the generation of its operation while one is in flight, which is even; that plus one when it is over. */
  declare protected states: Int32Array;
  /** How each slot's operation completes. */
  protected kinds: Uint8Array;
  #free: Int32Array;
  #freeCount: number;

  constructor(memory: RingMemory, record: RingRecord, templates: number, slots: number) {
    super(memory, record, templates);
    this.handlers = new Array<CompletionHandler>(slots).fill(unexpected);
    this.states = new Int32Array(slots).fill(1);
    this.usual = !this.polled && !this.rewinds && templates === 0;
    this.inTurn = !this.polled && !this.rewinds && templates > 0;
    this.kinds = new Uint8Array(slots).fill(ONE);
    this.#free = new Int32Array(slots);
    for (let i = 0; i < slots; i++) this.#free[i] = slots - 1 - i;
    this.#freeCount = slots;
  }

  /** Operations armed whose final CQE has not been handled. */
  get inFlight(): number {
    return this.counts[IN_FLIGHT]!;
  }

  /** Free slots. */
  get freeSlots(): number {
    return this.#freeCount;
  }

  /** Takes a slot and gives it a handler. */
  allocate(handler: CompletionHandler, completions: Completions = "one"): number {
    if (this.#freeCount === 0) this.#refuse();
    const slot = this.#free[--this.#freeCount]!;
    this.handlers[slot] = handler;
    this.kinds[slot] = completions === "one" ? ONE : completions === "many" ? MANY : NOTIFY;
    return slot;
  }

  // Errors are made elsewhere: what is short, the JIT makes a part of its callers.
  #refuse(): never {
    throw new RangeError(`all ${this.#free.length} slots of the ring are in use; open it with more cqEntries`);
  }

  /** Gives a taken slot another handler, for what is in flight too. */
  reassign(slot: number, handler: CompletionHandler): void {
    this.handlers[slot] = handler;
  }

  /** Gives a slot back. Its operation must have completed. */
  release(slot: number): void {
    if ((this.states[slot]! & 1) === 0 || this.handlers[slot] === unexpected) this.#refuseRelease(slot);
    this.handlers[slot] = unexpected;
    this.#free[this.#freeCount++] = slot;
  }

  #refuseRelease(slot: number): never {
    throw new TypeError(
      this.inFlightAt(slot) ? `slot ${slot} is in flight; release it after its final CQE` : `slot ${slot} was released already`,
    );
  }

  /**
   * Takes a slot for CQEs that no operation of this ring causes: tags of freed resources, messages of other rings. It stays armed, with
   * one generation, until {@link SlotTable.closeMailbox}. `counted` makes it one of those in flight: something is waited for.
   */
  openMailbox(handler: CompletionHandler, counted: boolean): number {
    const slot = this.allocate((result, flags, own) => {
      if (!this.inFlightAt(own)) {
        // The reap loop took it for an operation that is over; not so.
        this.states[own] = (this.states[own]! - 1) | 0;
        this.counts[IN_FLIGHT]!++;
      }
      handler(result, flags, own);
    }, "many");
    this.claim(slot);
    if (!counted) this.counts[IN_FLIGHT]!--;
    return slot;
  }

  /** Nothing is waited for in a counted mailbox any more; its slot stays taken, for what comes all the same. */
  retireMailbox(): void {
    this.counts[IN_FLIGHT]!--;
  }

  /** Gives a mailbox's slot back. A CQE that still comes for it fails the ring. */
  closeMailbox(slot: number, counted: boolean): void {
    this.finish(slot);
    if (!counted) this.counts[IN_FLIGHT]!++;
    this.release(slot);
  }

  /**
   * Says that the slot's operation is over and no CQE will come: it was queued with `IOSQE_CQE_SKIP_SUCCESS` and something later in
   * its chain tells that it succeeded. Only the caller can know; a CQE that comes all the same fails the ring.
   */
  skipped(slot: number): void {
    if (!this.inFlightAt(slot)) throw new TypeError(`slot ${slot} has no operation in flight`);
    this.finish(slot);
  }

  /** Whether the slot's operation is in flight. */
  inFlightAt(slot: number): boolean {
    return (this.states[slot]! & 1) === 0;
  }

  /** The upper word of the user_data of the slot's latest operation; the lower word is the slot. */
  generation(slot: number): number {
    return this.states[slot]! & ~1;
  }

  /** From now on every slot is looked at before it is armed: the ring has failed, or is closed. */
  protected noLongerUsual(): void {
    this.usual = false;
    this.inTurn = false;
  }

  /** Whether the slot may be armed; throws otherwise. */
  protected checkIdle(slot: number): void {
    if (this.inFlightAt(slot)) {
      throw new TypeError(
        slot >= 0 && slot < this.states.length ? `slot ${slot} has an operation in flight already` : `there is no slot ${slot}`,
      );
    }
    if (this.failure !== undefined) throw this.failure;
    if (this.ended) throw new TypeError("the ring is closed");
  }

  /** Counts the slot's operation as in flight; answers its generation. */
  protected claim(slot: number): number {
    this.counts[IN_FLIGHT]!++;
    return (this.states[slot] = (this.states[slot]! + 1) | 0);
  }

  /** The slot's operation is over. */
  protected finish(slot: number): void {
    this.counts[IN_FLIGHT]!--;
    this.states[slot] = (this.states[slot]! + 1) | 0;
  }

  /** Arms a slot that is not armed in the usual way: checks, makes room, or throws. Answers its generation. */
  abstract arm(slot: number): number;

  /**
   * Writes and queues a 64-byte SQE for a slot: every word is stored, so nothing stale remains. 64-bit fields are Numbers below 2^53 (an
   * offset of -1 means all bits set). The typed writers call it; see {@link SubmissionQueue} for the fields.
   *
   * It and what it calls are small enough, and not too deep, for the JIT to make one piece of an operation's writer and its caller.
   */
  prep(
    opcode: number,
    slot: number,
    fd: number,
    off: number,
    addr: number,
    len: number,
    opFlags: number,
    buf: number,
    fileIndex: number,
    addr3: number,
  ): void {
    const at = this.take(slot);
    const half = at >> 1;
    const { words } = this;
    words[at] = opcode;
    words[at + 1] = fd;
    this.put64(half + 1, off);
    this.put64(half + 2, addr);
    words[at + 6] = len;
    words[at + 7] = opFlags;
    this.putTail(half, buf, fileIndex, addr3);
  }

  /** Queues a copy of a 64-byte SQE, as {@link SubmissionQueue.sqe} made it, for a slot: all but its user_data. `from`: its first word. */
  prepCopy(slot: number, sqe: Int32Array, from = 0): void {
    const at = this.take(slot);
    const { words } = this;
    copyHead(words, at, sqe, from);
    copyTail(words, at, sqe, from);
    if ((sqe[from]! & DRAIN) !== 0) this.drains = true;
  }

  /**
   * Queues copies of SQEs that stand one behind the other in `sqes`, from the word `from` on, for the first `count` of `slots`. None of
   * them drains; `short`: none has anything behind its user_data. False, with nothing queued, when they cannot go out in one submit.
   *
   * What is done once for all of them is much of what a copy costs.
   */
  prepCopies(count: number, slots: Int32Array, sqes: Int32Array, from: number, short: boolean): boolean {
    const { counts, states, words, sqMask, sqeShift } = this;
    let tail = counts[SQ_TAIL]!;
    if (!this.usual) return this.copyWithCare(count, slots, sqes, from);
    if (((tail - counts[SUBMITTED]!) | 0) + count > this.sqEntries) return false;
    let at = counts[LAST_SQE]!;
    let i = 0;
    for (; i < count; i++) {
      const slot = slots[i]!;
      const state = states[slot]!;
      if ((state & 1) === 0) break;
      at = (tail & sqMask) << sqeShift;
      tail = (tail + 1) | 0;
      words[at + 8] = slot;
      words[at + 9] = states[slot] = (state + 1) | 0;
      copyHead(words, at, sqes, from + (i << 4));
      if (!short) copyTail(words, at, sqes, from + (i << 4));
      else this.putTail(at >> 1, 0, 0, 0);
    }
    counts[IN_FLIGHT] = (counts[IN_FLIGHT]! + i) | 0;
    counts[SQ_TAIL] = tail;
    counts[LAST_SQE] = at;
    if (i < count) this.checkIdle(slots[i]!);
    return true;
  }

  private copyWithCare(count: number, slots: Int32Array, sqes: Int32Array, from: number): boolean {
    if (this.failure !== undefined || this.ended || this.sqRoom < count) return false;
    for (let i = 0; i < count; i++) this.prepCopy(slots[i]!, sqes, from + (i << 4));
    return true;
  }

  // Arms the slot and takes an SQE for it; answers where that is.
  private take(slot: number): number {
    const state = this.states[slot]!;
    const tail = this.counts[SQ_TAIL]!;
    if (!this.usual || (state & 1) === 0 || ((tail - this.counts[SUBMITTED]!) | 0) >= this.sqEntries) return this.takeOtherwise(slot);
    const at = (tail & this.sqMask) << this.sqeShift;
    this.words[at + 8] = slot;
    this.words[at + 9] = this.states[slot] = (state + 1) | 0;
    this.counts[IN_FLIGHT] = (this.counts[IN_FLIGHT]! + 1) | 0;
    this.counts[SQ_TAIL] = (tail + 1) | 0;
    return (this.counts[LAST_SQE] = at);
  }

  // Beside permanent SQEs the others are used in turn: all of those that are queued never are more than the SQ has room for.
  private takeOtherwise(slot: number): number {
    const state = this.states[slot]!;
    if (!this.inTurn || (state & 1) === 0 || this.counts[ORDINARY]! >= this.ordinarySqes) return this.takeWithCare(slot);
    const at = this.nextInTurn();
    this.words[at + 8] = slot;
    this.words[at + 9] = this.states[slot] = (state + 1) | 0;
    this.counts[IN_FLIGHT] = (this.counts[IN_FLIGHT]! + 1) | 0;
    return at;
  }

  private takeWithCare(slot: number): number {
    const generation = this.arm(slot);
    const at = this.nextSqe();
    this.words[at + 8] = slot;
    this.words[at + 9] = generation;
    return at;
  }

  /** Makes the table longer, after a resize. */
  protected growSlots(slots: number): void {
    const have = this.states.length;
    if (slots <= have) return;
    const longer = <T extends Int32Array | Uint8Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.states = longer(new Int32Array(slots).fill(1), this.states);
    this.kinds = longer(new Uint8Array(slots).fill(ONE), this.kinds);
    this.#free = longer(new Int32Array(slots), this.#free);
    for (let slot = have; slot < slots; slot++) {
      this.handlers.push(unexpected);
      this.#free[this.#freeCount++] = slot;
    }
  }
}

function unexpected(result: number, _flags: number, slot: number): void {
  throw new ProtocolError(`slot ${slot} has no handler (result ${result})`);
}
