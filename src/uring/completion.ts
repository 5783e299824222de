import {
  IORING_CQ_EVENTFD_DISABLED,
  IORING_CQE_F_32,
  IORING_CQE_F_MORE,
  IORING_CQE_F_NOTIF,
  IORING_CQE_F_SKIP,
  IORING_SETUP_DEFER_TASKRUN,
  IORING_SETUP_IOPOLL,
} from "./abi.ts";
import { ProtocolError } from "./error.ts";
import type { RingMemory, RingRecord } from "./setup.ts";
import { io_cqring_offsets, io_uring_params } from "./structs.ts";
import { SubmissionQueue } from "./submission.ts";

/** Called for each CQE of a slot: result (negative errno on failure), CQE flags, and the slot itself. */
export type CompletionHandler = (result: number, flags: number, slot: number) => void;

/** What the CQEs of permanent SQEs go to. An object, because a method of it can be inlined where a function in a variable cannot. */
export interface TemplateHandler {
  /** A permanent SQE's CQE: result (negative errno on failure), and the slot. */
  completed(result: number, slot: number): void;
}

/** Completions an operation posts: one CQE; many, until one comes without F_MORE; or a result and a later notification. */
export type Completions = "one" | "many" | "notify";

const ONE = 1;
const MANY = 2;
const NOTIFY = 3;

/** user_data of the NOPs that pad a mixed ring; nobody waits for them. */
export const FILLER = 0x7fff_ffff;

/**
 * The completion side of a ring: a table of slots, each with a handler and the generation of its latest operation, and the loop
 * that reads CQEs.
 *
 * A CQE that belongs to no operation in flight fails the ring: the kernel, or a bug here, did what can never be right.
 */
export class CompletionQueue extends SubmissionQueue {
  /** What was set up. Another one after a resize. */
  record!: RingRecord;
  /** The failure that ended the ring, if one did: a protocol violation or an enter that cannot work. */
  failure: Error | undefined;
  /** Called once when the ring fails; during a batch, after its end. */
  onFailure: ((error: Error) => void) | undefined;
  /** Called when a handler throws; without it the error is thrown from reap, after the batch. */
  onHandlerError: ((error: unknown) => void) | undefined;
  /** Word index of the CQE being handled within {@link CompletionQueue.cqeWords}: for the extra words of 32-byte CQEs. */
  cqeAt = 0;
  /** Whoever drives the ring must look at more than its CQEs after this batch: it failed, was closed, or something is due. */
  attention = false;
  /** The memory is gone. */
  protected ended = false;

  /** Runs the handler of every CQE in the ring; answers how many there were. Handlers may queue operations. */
  readonly reap: () => number;

  private readonly shared: boolean; // CQEs may appear at any time, not only inside this thread's enter
  private cqHeadAt = 0;
  private cqTailAt = 0;
  #flagsAt = 0;
  private cqesAt = 0;
  private cqMask = 0;
  private readonly cqShift: number;
  private readonly mixedCqes: boolean;
  private readonly handlers: CompletionHandler[];
  private generations: Int32Array;
  private armed: Uint8Array;
  private kinds: Uint8Array;
  #free: Int32Array;
  #freeCount: number;
  private cqHead: number;
  private flying = 0;
  /** Whether a batch is being handled: its memory must not be exchanged. */
  protected reaping = false;
  declare private templates: TemplateHandler; // set at most once: the JIT may take it for a constant

  constructor(memory: RingMemory, record: RingRecord, templates: number, slots: number) {
    super(memory, record, templates);
    this.shared = (record.flags & IORING_SETUP_DEFER_TASKRUN) === 0 || (record.flags & IORING_SETUP_IOPOLL) !== 0;
    this.cqShift = record.cqe === 32 ? 3 : 2;
    this.mixedCqes = record.cqe === "mixed";
    this.#attach(memory, record);
    this.cqHead = this.ring[this.cqHeadAt]!;
    this.handlers = new Array<CompletionHandler>(slots).fill(unexpected);
    this.generations = new Int32Array(slots);
    this.armed = new Uint8Array(slots);
    this.kinds = new Uint8Array(slots).fill(ONE);
    this.#free = new Int32Array(slots);
    for (let i = 0; i < slots; i++) this.#free[i] = slots - 1 - i;
    this.#freeCount = slots;
    this.reap = this.makeReap();
  }

  /** Operations armed whose final CQE has not been handled. */
  get inFlight(): number {
    return this.flying;
  }

  /** How many more operations fit: in the SQ, and in the CQ once they complete. */
  get room(): number {
    return Math.min(this.sqRoom, this.record.cqEntries - this.flying, this.#freeCount);
  }

  /** Free slots. */
  get freeSlots(): number {
    return this.#freeCount;
  }

  /** Whether the ring was closed. */
  get closed(): boolean {
    return this.ended;
  }

  /** Shared words of the CQ ring, for handlers that read the upper half of a 32-byte CQE at `cqeAt + 4`. */
  get cqeWords(): Int32Array {
    return this.ring;
  }

  /** CQEs waiting in the ring. */
  get ready(): number {
    return (Atomics.load(this.ring, this.cqTailAt) - this.cqHead) | 0;
  }

  /** Whether completions signal the registered eventfd (`IORING_CQ_EVENTFD_DISABLED`, 5.8). */
  get eventfdEnabled(): boolean {
    return (this.ring[this.#flagsAt]! & IORING_CQ_EVENTFD_DISABLED) === 0;
  }
  /** Whether completions shall signal it. */
  set eventfdEnabled(enabled: boolean) {
    Atomics.store(this.ring, this.#flagsAt, enabled ? 0 : IORING_CQ_EVENTFD_DISABLED);
  }

  /** Takes a slot and gives it a handler. */
  allocate(handler: CompletionHandler, completions: Completions = "one"): number {
    if (this.#freeCount === 0) throw new RangeError(`all ${this.#free.length} slots of the ring are in use; open it with more cqEntries`);
    const slot = this.#free[--this.#freeCount]!;
    this.handlers[slot] = handler;
    this.kinds[slot] = completions === "one" ? ONE : completions === "many" ? MANY : NOTIFY;
    return slot;
  }

  /** Takes the slots of the permanent SQEs, before any other is allocated; all have the same handler. */
  allocateTemplates(handler: TemplateHandler): void {
    if (this.#freeCount !== this.#free.length) throw new TypeError("permanent slots are taken before all others, and once");
    const unusual: CompletionHandler = (result, _flags, slot) => handler.completed(result, slot);
    for (let i = 0; i < this.permanentSqes; i++) this.handlers[this.#free[--this.#freeCount]!] = unusual;
    this.templates = handler;
  }

  /** Gives a slot back. Its operation must have completed. */
  release(slot: number): void {
    if (this.armed[slot] !== 0) throw new TypeError(`slot ${slot} is in flight; release it after its final CQE`);
    if (this.handlers[slot] === unexpected) throw new TypeError(`slot ${slot} was released already`);
    this.handlers[slot] = unexpected;
    this.#free[this.#freeCount++] = slot;
  }

  /**
   * Takes a slot for CQEs that no operation of this ring causes: tags of freed resources, messages of other rings. It stays armed, with
   * one generation, until {@link CompletionQueue.closeMailbox}. `counted` makes it one of those in flight: something is waited for.
   */
  openMailbox(handler: CompletionHandler, counted: boolean): number {
    const slot = this.allocate((result, flags, own) => {
      if (this.armed[own] === 0) {
        // The reap loop took it for an operation that is over; not so.
        this.armed[own] = 1;
        this.flying++;
      }
      handler(result, flags, own);
    }, "many");
    this.claim(slot);
    if (!counted) this.flying--;
    return slot;
  }

  /** Nothing is waited for in a counted mailbox any more; its slot stays taken, for what comes all the same. */
  retireMailbox(): void {
    this.flying--;
  }

  /** Gives a mailbox's slot back. A CQE that still comes for it fails the ring. */
  closeMailbox(slot: number, counted: boolean): void {
    this.armed[slot] = 0;
    if (counted) this.flying--;
    this.release(slot);
  }

  /**
   * Says that the slot's operation is over and no CQE will come: it was queued with `IOSQE_CQE_SKIP_SUCCESS` and something later in
   * its chain tells that it succeeded. Only the caller can know; a CQE that comes all the same fails the ring.
   */
  skipped(slot: number): void {
    if (this.armed[slot] !== 1) throw new TypeError(`slot ${slot} has no operation in flight`);
    this.armed[slot] = 0;
    this.flying--;
  }

  /** Whether the slot's operation is in flight. */
  inFlightAt(slot: number): boolean {
    return this.armed[slot] !== 0;
  }

  /** The upper word of the user_data of the slot's latest operation; the lower word is the slot. */
  generation(slot: number): number {
    return this.generations[slot]!;
  }

  /** Queues the slot's permanent SQE: the allocation-free path of a ublk commit. */
  armTemplate(slot: number): void {
    this.armed[slot] = 1;
    this.flying++;
    this.ring[this.indexAt + (this.sqTail & this.sqMask)] = slot;
    this.sqTail = (this.sqTail + 1) | 0;
  }

  // A closure over this very ring: where it is the only one of its thread, as in a serving Worker, the JIT takes everything that never
  // changes (the arrays, their addresses and lengths) for constants, which it cannot do for the fields of whatever `this` may be.
  private makeReap(): () => number {
    return () => {
      if (this.reaping || this.ended) return 0; // a handler that reaps would run others in the middle of itself
      this.reaping = true;
      const wasFine = this.failure === undefined;
      let thrown: { error: unknown } | undefined;
      let head = this.cqHead;
      const first = head;
      const tail = this.shared ? Atomics.load(this.ring, this.cqTailAt) : this.ring[this.cqTailAt]!;
      while (head !== tail) {
        const at = this.cqesAt + ((head & this.cqMask) << this.cqShift);
        const slot = this.ring[at]!;
        const flags = this.ring[at + 3]!;
        head = (head + 1) | 0;
        if (this.mixedCqes) {
          if ((flags & IORING_CQE_F_SKIP) !== 0) continue;
          if ((flags & IORING_CQE_F_32) !== 0) head = (head + 1) | 0;
        }
        try {
          // The usual CQE, the only one of its operation, is handled in place; what can be otherwise is looked at elsewhere.
          if (flags === 0 && this.armed[slot] === 1 && this.generations[slot] === this.ring[at + 1]) {
            this.armed[slot] = 0;
            this.flying--;
            if (slot < this.permanentSqes) this.templates.completed(this.ring[at + 2]!, slot);
            else {
              this.cqeAt = at;
              this.handlers[slot]!(this.ring[at + 2]!, 0, slot);
            }
          } else this.dispatch(slot, this.ring[at + 1]!, this.ring[at + 2]!, flags, at);
        } catch (error) {
          thrown ??= this.caught(error);
        }
        if (this.ended) break; // a handler closed the ring: its memory is gone
      }
      this.reaping = false;
      this.leave(head);
      // Told only now: whoever tears the ring down does not do it in the middle of a batch.
      if (wasFine && this.failure !== undefined) this.onFailure?.(this.failure);
      if (thrown !== undefined) throw thrown.error;
      return (head - first) | 0;
    };
  }

  // The kernel may use the places of the CQEs that were handled.
  private leave(head: number): void {
    if (this.ended) return;
    this.cqHead = head;
    if (this.shared) Atomics.store(this.ring, this.cqHeadAt, head);
    else this.ring[this.cqHeadAt] = head;
  }

  /** Marks the ring failed; the first failure counts. Whoever drives the ring tears it down, after the batch being handled. */
  fail(error: Error): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.attention = true;
    if (!this.reaping) this.onFailure?.(error);
  }

  /** Takes new memory for both queues, to which the kernel has moved what was in the old one; at least `slots` slots. */
  protected exchange(memory: RingMemory, record: RingRecord, slots: number): void {
    this.attachQueue(memory, record);
    this.#attach(memory, record);
    const have = this.armed.length;
    if (slots <= have) return;
    const longer = <T extends Int32Array | Uint8Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.generations = longer(new Int32Array(slots), this.generations);
    this.armed = longer(new Uint8Array(slots), this.armed);
    this.kinds = longer(new Uint8Array(slots).fill(ONE), this.kinds);
    this.#free = longer(new Int32Array(slots), this.#free);
    for (let slot = have; slot < slots; slot++) {
      this.handlers.push(unexpected);
      this.#free[this.#freeCount++] = slot;
    }
  }

  #attach(memory: RingMemory, record: RingRecord): void {
    const base = io_uring_params.fields.cq_off[0];
    const word = (name: "head" | "tail" | "cqes" | "flags"): number => io_cqring_offsets.get(memory.params, name, base) >> 2;
    this.record = record;
    this.cqHeadAt = word("head");
    this.cqTailAt = word("tail");
    this.cqesAt = word("cqes");
    this.#flagsAt = word("flags");
    this.cqMask = record.cqEntries - 1;
  }

  /** Whether the slot may be armed; throws otherwise. */
  protected checkIdle(slot: number): void {
    if (this.armed[slot] !== 0) {
      throw new TypeError(
        slot >= 0 && slot < this.armed.length ? `slot ${slot} has an operation in flight already` : `there is no slot ${slot}`,
      );
    }
    if (this.failure !== undefined) throw this.failure;
    if (this.ended) throw new TypeError("the ring is closed");
  }

  /** Counts the slot's operation as in flight; answers its generation. */
  protected claim(slot: number): number {
    this.armed[slot] = 1;
    this.flying++;
    return (this.generations[slot] = (this.generations[slot]! + 1) | 0);
  }

  private dispatch(slot: number, generation: number, result: number, flags: number, at: number): void {
    if (this.armed[slot] !== 1 || this.generations[slot] !== generation) {
      this.stray(slot, generation, result);
      return;
    }
    if ((flags & (IORING_CQE_F_MORE | IORING_CQE_F_NOTIF)) !== IORING_CQE_F_MORE) {
      this.armed[slot] = 0;
      this.flying--;
    } else if (this.kinds[slot] === ONE) {
      this.announcesMore(slot);
      return;
    }
    this.cqeAt = at;
    this.handlers[slot]!(result, flags, slot);
  }

  private stray(slot: number, generation: number, result: number): void {
    if (slot === FILLER) return;
    const known = slot >= 0 && slot < this.handlers.length;
    this.fail(
      new ProtocolError(
        known
          ? `a CQE for slot ${slot} (generation ${generation}, result ${result}) does not belong to an operation in flight`
          : `a CQE names slot ${slot}, which this ring does not have`,
      ),
    );
  }

  private announcesMore(slot: number): void {
    this.fail(new ProtocolError(`a CQE for slot ${slot} announces more, but its operation completes once`));
  }

  // Where nobody listens, the first error is thrown when the batch is through.
  private caught(error: unknown): { error: unknown } | undefined {
    if (this.onHandlerError === undefined) return { error };
    try {
      this.onHandlerError(error);
      return undefined;
    } catch (second) {
      return { error: second };
    }
  }
}

function unexpected(result: number, _flags: number, slot: number): void {
  throw new ProtocolError(`slot ${slot} has no handler (result ${result})`);
}
