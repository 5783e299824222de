import { high32 } from "../ffi/index.ts";
import { IORING_SETUP_NO_SQARRAY, IORING_SETUP_SQ_REWIND, IORING_SETUP_SQPOLL, IOSQE_IO_DRAIN } from "./abi.ts";
import type { RingMemory, RingRecord } from "./setup.ts";
import { io_sqring_offsets, io_uring_params } from "./structs.ts";

/** The words (32 bits each) of an SQE, by position. */
export const SQE_HEAD = 0; // opcode, flags, ioprio
export const SQE_FD = 1;
export const SQE_OFF = 2;
export const SQE_ADDR = 4;
export const SQE_LEN = 6;
export const SQE_OP_FLAGS = 7;
export const SQE_USER_DATA = 8;
export const SQE_BUF = 10; // buf_index or buf_group, personality
export const SQE_FILE_INDEX = 11;
export const SQE_ADDR3 = 12; // also cmd[] of URING_CMD, and the address of a read's or write's attributes
export const SQE_ATTR_MASK = 14; // which attributes there are

/** What {@link SubmissionQueue} counts, by position in its `counts`. */
export const SQ_TAIL = 0; // behind the SQE queued last
export const SUBMITTED = 1; // the tail up to which the kernel has taken SQEs
export const IN_FLIGHT = 2; // operations
export const LAST_SQE = 3; // word index of the SQE written last
const TURN = 4; // ordinary SQEs handed out, modulo their number
export const ORDINARY = 5; // ordinary SQEs queued and not yet taken
export const PROMPT = 6; // SQEs queued whose CQEs come within the enter that submits them, and wake nobody

const TWO_52 = 2 ** 52;
/** What of a double's upper word belongs to the mantissa. */
const MANTISSA_HIGH = 0xf_ffff;

/**
 * The submission side of a ring: SQEs are written as words, straight into the shared array.
 *
 * SQE positions 0 to `templates - 1` are permanent (a ublk queue's tags); the others are used in turn. Positions are free
 * again once the kernel has taken them, which without SQPOLL is inside the enter that submits them.
 */
export class SubmissionQueue {
  // Fields that are declared, and not made empty first, are written once: the JIT takes them for constants where the ring itself is one.
  /** Every SQE, as 32-bit words. Another array after a resize. */
  declare words: Int32Array;
  /** The same as doubles. */
  declare private doubles: Float64Array;
  /** Words per SQE as a shift: 4 for 64 bytes, 5 for 128. */
  declare readonly sqeShift: number;
  /** An SQE has had `IOSQE_IO_DRAIN`: what is queued behind it waits, cancels included. */
  drains = false;
  /** SQEs the queue holds. */
  declare sqEntries: number;
  /** Shared memory of both rings, as words. */
  declare protected ring: Int32Array;
  /** Another thread (SQPOLL) reads the tail: stores must be atomic. */
  declare protected readonly polled: boolean;
  declare protected readonly rewinds: boolean;
  /** Positions, and slots, of permanent SQEs: below all others. */
  declare protected readonly permanentSqes: number;
  /** The others: those that are used in turn. */
  declare protected ordinarySqes: number;
  declare protected indexAt: number; // word index of the SQ index array, or -1
  declare protected sqMask: number;
  #headAt = 0;
  declare private sqTailAt: number;
  #flagsAt = 0;
  /** What changes with every operation. An array, because it holds words where a field holds a JavaScript value to be checked and boxed. */
  declare protected readonly counts: Int32Array;

  constructor(memory: RingMemory, record: RingRecord, templates: number) {
    this.counts = new Int32Array(7);
    this.sqeShift = record.sqe === 128 ? 5 : 4;
    this.polled = (record.flags & IORING_SETUP_SQPOLL) !== 0;
    this.rewinds = (record.flags & IORING_SETUP_SQ_REWIND) !== 0;
    this.permanentSqes = templates;
    this.attachQueue(memory, record);
  }

  /** Takes the queue's memory: at the start, and after a resize, which only an empty queue lives through. */
  protected attachQueue(memory: RingMemory, record: RingRecord): void {
    const base = io_uring_params.fields.sq_off[0];
    const word = (name: "head" | "tail" | "flags" | "array"): number => io_sqring_offsets.get(memory.params, name, base) >> 2;
    this.ring = memory.rings.words();
    this.words = memory.sqes.words();
    this.doubles = new Float64Array(this.words.buffer, this.words.byteOffset, this.words.length >> 1);
    this.sqEntries = record.sqEntries;
    this.ordinarySqes = record.sqEntries - this.permanentSqes;
    this.#headAt = word("head");
    this.sqTailAt = word("tail");
    this.#flagsAt = word("flags");
    this.sqMask = record.sqEntries - 1;
    this.indexAt = (record.flags & IORING_SETUP_NO_SQARRAY) === 0 ? word("array") : -1;
    // Without permanent SQEs position n of the queue always means SQE n, so the array is written once.
    if (this.indexAt >= 0 && this.permanentSqes === 0) for (let i = 0; i < record.sqEntries; i++) this.ring[this.indexAt + i] = i;
  }

  private get sqTail(): number {
    return this.counts[SQ_TAIL]!;
  }
  private set sqTail(tail: number) {
    this.counts[SQ_TAIL] = tail;
  }

  private get ordinary(): number {
    return this.counts[ORDINARY]!;
  }
  private set ordinary(count: number) {
    this.counts[ORDINARY] = count;
  }

  private get submitted(): number {
    return this.counts[SUBMITTED]!;
  }
  private set submitted(tail: number) {
    this.counts[SUBMITTED] = tail;
  }

  /** Where the SQE written last is: the index of its first word. */
  get lastSqe(): number {
    return this.counts[LAST_SQE]!;
  }

  /** SQEs queued and not yet handed to the kernel. */
  get queued(): number {
    if (this.polled) this.#refresh();
    return (this.sqTail - this.submitted) | 0;
  }

  /** SQEs queued since the ring was opened, modulo 2^32: tells whether it has stood still. */
  get queuedInAll(): number {
    return this.counts[SQ_TAIL]!;
  }

  /** Of those, how many the kernel has taken, by what the latest enter has told (modulo 2^32; not with SQPOLL). */
  get takenInAll(): number {
    return this.counts[SUBMITTED]!;
  }

  /** Puts another permanent SQE in the place of one that is queued and was not submitted: `place` is what `queuedInAll` was before it. */
  protected exchangeQueued(place: number, slot: number): void {
    this.ring[this.indexAt + (place & this.sqMask)] = slot;
  }

  /** How many ordinary SQEs may be queued before the next enter. */
  get sqRoom(): number {
    const queue = this.sqEntries - this.queued;
    return this.permanentSqes === 0 ? queue : Math.min(queue, this.ordinarySqes - this.ordinary);
  }

  /** The SQ ring's flag word: `IORING_SQ_NEED_WAKEUP`, `_CQ_OVERFLOW`, `_TASKRUN`. */
  get sqFlags(): number {
    return Atomics.load(this.ring, this.#flagsAt);
  }

  /** Stores a 64-bit field, the `half`th: a Number from 0 to 2^53, or negative. Both words at once where a double's mantissa holds it. */
  protected put64(half: number, value: number): void {
    if (value > 0 && value < TWO_52) {
      this.doubles[half] = value + TWO_52; // from 2^52 on a double's last bit is worth 1
      this.words[(half << 1) + 1]! &= MANTISSA_HIGH; // away with sign and exponent
    } else if (value === 0) this.doubles[half] = 0;
    else this.putWide(half << 1, value);
  }

  private putWide(at: number, value: number): void {
    this.words[at] = value;
    this.words[at + 1] = high32(value);
  }

  /** Stores the fields behind user_data of the SQE whose first 64-bit field is the `half`th. */
  protected putTail(half: number, buf: number, fileIndex: number, addr3: number): void {
    if ((buf | fileIndex) === 0) this.doubles[half + 5] = 0;
    else {
      this.words[(half << 1) + SQE_BUF] = buf;
      this.words[(half << 1) + SQE_FILE_INDEX] = fileIndex;
    }
    if (addr3 === 0) this.doubles[half + 6] = 0;
    else this.putWide((half << 1) + SQE_ADDR3, addr3);
    this.doubles[half + 7] = 0;
  }

  /** Queues a NOP that fills a position; nobody waits for it, and no field of it matters. */
  protected putFiller(opcode: number, userData: number): void {
    const at = this.nextSqe();
    this.words.fill(0, at, at + 16);
    this.words[at] = opcode;
    this.words[at + SQE_FD] = -1;
    this.words[at + SQE_USER_DATA] = userData;
  }

  /** Makes the SQE written last take two neighbouring positions of a mixed ring, or the second half of a 128-byte one. */
  protected extend(payload: Int32Array): void {
    const at = this.lastSqe + SQE_ADDR3;
    this.words.set(payload, at);
    this.words.fill(0, at + payload.length, this.lastSqe + 32);
    if (this.sqeShift === 4) {
      this.sqTail = (this.sqTail + 1) | 0;
      this.ordinary++;
    }
  }

  /** Where every SQE has 128 bytes: zeroes what a driver would see behind the 64 that were written last. */
  clearSecondHalf(): void {
    if (this.sqeShift === 5) this.words.fill(0, this.lastSqe + 16, this.lastSqe + 32);
  }

  /** Positions left before a mixed ring wraps; an SQE of 128 bytes may not wrap. */
  protected get untilWrap(): number {
    return this.sqEntries - (this.sqTail & this.sqMask);
  }

  /** Sets `IOSQE_*` flags (or ioprio, in the upper half) on the SQE written last: as `io_uring_sqe_set_flags(3)`. */
  setFlags(flags: number): void {
    this.words[this.lastSqe]! |= flags << 8;
    if ((flags & IOSQE_IO_DRAIN) !== 0) this.drains = true;
  }

  /** Sets `IOSQE_IO_LINK` or `_HARDLINK` on an SQE that was queued and not submitted: what is queued behind it is linked to it. */
  linkFrom(sqe: number, link: number): void {
    this.words[sqe]! |= link << 8;
  }

  /** A copy of the 64-byte SQE written last. */
  get sqe(): Int32Array {
    return this.words.slice(this.lastSqe, this.lastSqe + 16);
  }

  /** The `IOSQE_*` flags of the SQE written last. */
  protected get lastFlags(): number {
    return (this.words[this.lastSqe]! >> 8) & 0xff;
  }

  /** Sets the ioprio field of the SQE written last: a flag word for the send, receive and accept families. */
  setIoprio(ioprio: number): void {
    this.words[this.lastSqe]! |= ioprio << 16;
  }

  /** Sets whose credentials the SQE written last is carried out with: a number of {@link Registrations.personality}. */
  setPersonality(id: number): void {
    this.words[this.lastSqe + SQE_BUF]! |= id << 16;
  }

  /** Sets one 32-bit word of the SQE written last: for a field that an operation's own arguments do not reach. */
  setWord(word: number, value: number): void {
    this.words[this.lastSqe + word] = value;
  }

  /** Makes the queued SQEs visible to the kernel. */
  protected publish(): number {
    const tail = this.counts[SQ_TAIL]!;
    if (this.polled) Atomics.store(this.ring, this.sqTailAt, tail);
    else if (!this.rewinds) this.ring[this.sqTailAt] = tail;
    return (tail - this.counts[SUBMITTED]!) | 0;
  }

  /** The kernel took `count` SQEs. */
  protected taken(count: number): void {
    const submitted = (this.counts[SUBMITTED]! + count) | 0;
    this.counts[PROMPT] = 0;
    if (submitted !== this.counts[SQ_TAIL] || this.rewinds) this.takenInPart(count);
    else {
      this.counts[SUBMITTED] = submitted;
      this.counts[ORDINARY] = 0;
    }
  }

  private takenInPart(count: number): void {
    if (this.rewinds) this.#rewound(count);
    else this.#advance((this.submitted + count) | 0);
  }

  // With SQPOLL only the shared head tells what the kernel's thread has taken.
  #refresh(): void {
    const head = Atomics.load(this.ring, this.#headAt);
    if (head !== this.submitted) this.#advance(head);
  }

  #advance(submitted: number): void {
    this.submitted = submitted;
    if (submitted === this.sqTail) this.ordinary = 0;
    else if (this.permanentSqes > 0) this.ordinary = this.#countOrdinary();
  }

  // With SQ_REWIND each enter starts at SQE 0: what the kernel left is moved to the front.
  #rewound(count: number): void {
    const left = this.queued - count;
    if (left > 0) this.words.copyWithin(0, count << this.sqeShift, (count + left) << this.sqeShift);
    this.submitted = 0;
    this.sqTail = left;
    this.ordinary = left;
  }

  // After a partial submit only the index array says which of the queued SQEs are ordinary.
  #countOrdinary(): number {
    let count = 0;
    for (let at = this.submitted; at !== this.sqTail; at = (at + 1) | 0) {
      if (this.ring[this.indexAt + (at & this.sqMask)]! >= this.permanentSqes) count++;
    }
    return count;
  }

  /** The word index of the next ordinary SQE; the caller has made sure that there is room. */
  protected nextSqe(): number {
    if (this.permanentSqes > 0) return this.nextInTurn();
    const position = this.rewinds ? this.sqTail : this.sqTail & this.sqMask;
    this.ordinary++;
    this.sqTail = (this.sqTail + 1) | 0;
    return (this.counts[LAST_SQE] = position << this.sqeShift);
  }

  /** The same, beside permanent SQEs. */
  protected nextInTurn(): number {
    const { counts } = this;
    const turn = counts[TURN]!;
    const tail = counts[SQ_TAIL]!;
    const position = this.permanentSqes + turn;
    counts[TURN] = turn + 1 === this.ordinarySqes ? 0 : turn + 1;
    counts[ORDINARY] = counts[ORDINARY]! + 1;
    counts[SQ_TAIL] = (tail + 1) | 0;
    this.ring[this.indexAt + (tail & this.sqMask)] = position;
    return (counts[LAST_SQE] = position << this.sqeShift);
  }
}
