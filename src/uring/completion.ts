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
import { PermanentSlots } from "./permanent.ts";
import type { RingMemory, RingRecord } from "./setup.ts";
import { FILLER, ONE } from "./slots.ts";
import { io_cqring_offsets, io_uring_params } from "./structs.ts";
import { IN_FLIGHT } from "./submission.ts";

export type { TemplateHandler } from "./permanent.ts";
export { type CompletionHandler, type Completions, FILLER } from "./slots.ts";

/**
 * The completion side of a ring: the loop that reads CQEs and runs the handlers of their slots.
 *
 * A CQE that belongs to no operation in flight fails the ring: the kernel, or a bug here, did what can never be right.
 */
export abstract class CompletionQueue extends PermanentSlots {
  /** What was set up. Another one after a resize. */
  record!: RingRecord;
  /** Called once when the ring fails; during a batch, after its end. */
  onFailure: ((error: Error) => void) | undefined;
  /** Called when a handler throws; without it the error is thrown from reap, after the batch. */
  onHandlerError: ((error: unknown) => void) | undefined;
  /** Word index of the CQE being handled within {@link CompletionQueue.cqeWords}: for the extra words of 32-byte CQEs. */
  cqeAt = 0;
  /** Whoever drives the ring must look at more than its CQEs after this batch: it failed, was closed, or something is due. */
  attention = false;
  /** Runs the handler of every CQE in the ring; answers how many there were. Handlers may queue operations. */
  readonly reap: () => number;

  declare private readonly shared: boolean; // CQEs may appear at any time, not only inside this thread's enter
  declare private cqHeadAt: number;
  declare private cqTailAt: number;
  #flagsAt = 0;
  declare private cqesAt: number;
  declare private cqMask: number;
  declare private readonly cqShift: number;
  declare private readonly mixedCqes: boolean;
  declare private readonly wideCqes: boolean; // some have words of their own
  private cqHead: number;
  private inPlace = 0; // flags of the CQEs that reap handles itself; the others pass through dispatch
  /** Whether a batch is being handled: its memory must not be exchanged. */
  protected reaping = false;

  constructor(memory: RingMemory, record: RingRecord, templates: number, slots: number) {
    super(memory, record, templates, slots);
    this.shared = (record.flags & IORING_SETUP_DEFER_TASKRUN) === 0 || (record.flags & IORING_SETUP_IOPOLL) !== 0;
    this.cqShift = record.cqe === 32 ? 3 : 2;
    this.mixedCqes = record.cqe === "mixed";
    this.wideCqes = record.cqe !== 16;
    this.#attach(memory, record);
    this.cqHead = this.ring[this.cqHeadAt]!;
    this.reap = this.makeReap();
  }

  /** How many more operations fit: in the SQ, and in the CQ once they complete. */
  get room(): number {
    return Math.min(this.sqRoom, this.record.cqEntries - this.counts[IN_FLIGHT]!, this.freeSlots);
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
          const generation = this.ring[at + 1]!;
          if (flags === this.inPlace && this.states[slot] === generation && (generation & 1) === 0) {
            this.states[slot] = generation | 1;
            this.counts[IN_FLIGHT] = (this.counts[IN_FLIGHT]! - 1) | 0;
            if (slot < this.permanentSqes) this.templates.completed(this.ring[at + 2]!, slot);
            else {
              if (this.wideCqes) this.cqeAt = at;
              this.handlers[slot]!(this.ring[at + 2]!, 0, slot);
            }
          } else this.dispatch(slot, generation, this.ring[at + 2]!, flags, at);
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
    this.noLongerUsual();
    this.attention = true;
    if (!this.reaping) this.onFailure?.(error);
  }

  /** Takes new memory for both queues, to which the kernel has moved what was in the old one; at least `slots` slots. */
  protected exchange(memory: RingMemory, record: RingRecord, slots: number): void {
    this.attachQueue(memory, record);
    this.#attach(memory, record);
    this.growSlots(slots);
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

  private dispatch(slot: number, generation: number, result: number, flags: number, at: number): void {
    if (this.states[slot] !== generation || (generation & 1) !== 0) {
      this.stray(slot, generation, result);
      return;
    }
    if ((flags & (IORING_CQE_F_MORE | IORING_CQE_F_NOTIF)) !== IORING_CQE_F_MORE) {
      this.finish(slot);
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
