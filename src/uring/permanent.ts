import { type CompletionHandler, SlotTable } from "./slots.ts";
import { IN_FLIGHT, PROMPT, SQ_TAIL, SQE_USER_DATA } from "./submission.ts";

const SQE_WORDS = 16;

/** What the CQEs of permanent SQEs go to. An object, because a method of it can be inlined where a function in a variable cannot. */
export interface TemplateHandler {
  /** A permanent SQE's CQE: result (negative errno on failure), and the slot. */
  completed(result: number, slot: number): void;
}

/**
 * The slots of permanent SQEs: the first ones, each with an SQE of its own at the same place of the SQE array, written once and queued
 * again and again. Its user_data never changes.
 */
export abstract class PermanentSlots extends SlotTable {
  /** Handler of the permanent SQEs; set at most once, so that the JIT may take it for a constant. */
  declare protected templates: TemplateHandler;

  /** Takes the slots of the permanent SQEs, before any other is allocated; all have the same handler. */
  allocateTemplates(handler: TemplateHandler): void {
    if (this.freeSlots !== this.states.length) throw new TypeError("permanent slots are taken before all others, and once");
    const unusual: CompletionHandler = (result, _flags, slot) => handler.completed(result, slot);
    for (let i = 0; i < this.permanentSqes; i++) this.allocate(unusual);
    this.templates = handler;
  }

  /**
   * Writes the permanent SQE of a slot: a copy of 64 bytes, as {@link SubmissionQueue.sqe} answers them behind a writer, with a user_data of its
   * own. Where SQEs have 128 bytes the others are zeroes. What it points to must live as long as it is queued.
   *
   * @throws RangeError for a slot without a permanent SQE; TypeError while it is in flight.
   */
  writeTemplate(slot: number, sqe: Int32Array): void {
    if (!(slot >= 0 && slot < this.permanentSqes))
      throw new RangeError(`writeTemplate: slot ${slot} has no permanent SQE; the ring was opened with templates: ${this.permanentSqes}`);
    if (sqe.length !== SQE_WORDS) throw new RangeError(`writeTemplate: an SQE has ${SQE_WORDS} words, not ${sqe.length}`);
    if (this.inFlightAt(slot)) throw new TypeError(`writeTemplate: slot ${slot} is in flight; write its SQE after its CQE`);
    const at = slot << this.sqeShift;
    this.words.set(sqe, at);
    this.words.fill(0, at + SQE_WORDS, at + (1 << this.sqeShift));
    this.words[at + SQE_USER_DATA] = slot;
    this.words[at + SQE_USER_DATA + 1] = 0; // its generation
  }

  /**
   * Queues the slot's permanent SQE: the cheapest way to repeat an operation. It may be queued again when its CQE has been handled.
   *
   * @example
   * ```ts
   * import { RawRing } from "uring-ublk/uring";
   * using ring = new RawRing({ entries: 8, sqArray: true }, { templates: 1 });
   * let seen = 0;
   * ring.allocateTemplates({ completed: (result) => (seen += result === 0 ? 1 : 0) });
   * ring.nop(ring.allocate(() => {}), 0, 0); // written in the usual way once
   * ring.writeTemplate(0, ring.sqe);
   * for (let i = 0; i < 3; i++) {
   *   ring.armTemplate(0);
   *   ring.enter(1);
   *   ring.reap();
   * }
   * console.log(seen); // 3
   * ```
   */
  armTemplate(slot: number): void {
    this.states[slot] = 0; // its user_data never changes
    this.counts[IN_FLIGHT]!++;
    const tail = this.counts[SQ_TAIL]!;
    this.ring[this.indexAt + (tail & this.sqMask)] = slot;
    this.counts[SQ_TAIL] = (tail + 1) | 0;
  }

  /** Queues the slot's permanent SQE, of which only a failure posts a CQE (`IOSQE_CQE_SKIP_SUCCESS`): it is not counted as in flight. */
  armQuietTemplate(slot: number): void {
    this.states[slot] = 0;
    const tail = this.counts[SQ_TAIL]!;
    this.ring[this.indexAt + (tail & this.sqMask)] = slot;
    this.counts[SQ_TAIL] = (tail + 1) | 0;
  }

  /** A quiet SQE's CQE has come, and was taken for the end of something that is counted. */
  quietTemplateFailed(): void {
    this.counts[IN_FLIGHT]!++;
  }

  /**
   * Puts the slot's permanent SQE in the place of one that is queued and quiet, and was not submitted. It is counted as in flight, and
   * completes within the enter that submits it: {@link RingCore.serve} waits for one CQE more, as nobody waits for this one. If the kernel
   * refuses it, somebody does: a ring that has such SQEs needs something that completes now and then.
   */
  exchangeQuiet(place: number, slot: number): void {
    this.states[slot] = 0;
    this.counts[IN_FLIGHT]!++;
    this.counts[PROMPT]!++;
    this.exchangeQueued(place, slot);
  }
}
