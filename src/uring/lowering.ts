import { addressOf, cString, isDetached, type Memory } from "../ffi/index.ts";
import { IORING_FILE_INDEX_ALLOC, IOSQE_FIXED_FILE } from "./abi.ts";
import type { RingCore } from "./core.ts";
import { type FeatureName, flagOf, kernelSupports, missingFeature } from "./features.ts";
import { type Direction, type DirectSlot, type Fd, FixedBuffer, FixedFile, type Lender } from "./handles.ts";
import type { Operation } from "./operation.ts";
import { checkInteger, show } from "./options.ts";

/** What any operation may carry besides its own fields: `IOSQE_*` and credentials. */
export interface Modifiers {
  /** `IOSQE_*`. */
  readonly flags: number;
  /** A registered personality, or 0. */
  readonly personality: number;
  /** The LINK_TIMEOUT that stands behind it; {@link within} makes it. */
  readonly limit?: Operation<unknown>;
  /** Fewer bytes than this are a failure; {@link TransferOperation.exact} sets it. */
  readonly length?: number | undefined;
  /** Who lends the memory that it names. */
  readonly lender?: Lender;
}

const NOTHING = new DataView(new ArrayBuffer(0));
const AT_FDCWD = -100;
/** What the SQE's length field holds. */
const MOST_BYTES = 0xffff_ffff;

/**
 * Collects what a description needs beyond its words: SQE flags, ioprio, and memory that must live until the final CQE. One object
 * serves one operation after the other.
 */
export class Lowering {
  /** `IOSQE_*`. */
  flags = 0;
  /** The SQE's ioprio: a priority, or the flag word of the socket operations. */
  ioprio = 0;
  /** What the kernel fills in for the result, as {@link Lowering.allocate} made it. */
  output = NOTHING;
  // Most operations pin one thing: an array for it would cost more than the rest.
  private pinned: object | undefined;
  private morePinned: object[] | undefined;
  private words: number[] | undefined;
  private used = false;
  private at = -1; // its slot
  private lender: Lender | undefined; // of what is lent to the operation
  private extent = 0; // of what a copy pins, in bytes, when it was made
  private extents: number[] | undefined;

  constructor(
    /** The operation's name, for what is wrong with an option. */
    public name = "operation",
    /** The ring it goes to. */
    public ring: RingCore | undefined = undefined,
  ) {}

  /** Begins with another operation; what was collected for the last one is cleared already. @internal */
  begin(name: string, ring: RingCore, slot: number): void {
    this.used = true;
    this.name = name;
    this.ring = ring;
    this.at = slot;
  }

  /** Lets go of what was collected. @internal */
  clear(): void {
    if (this.used) this.reset();
  }

  private reset(): void {
    this.used = false;
    this.giveBack();
    this.flags = 0;
    this.ioprio = 0;
    this.pinned = undefined;
    this.morePinned = undefined;
    this.words = undefined;
    if (this.output !== NOTHING) this.output = NOTHING;
  }

  /** What was collected, for operations of the same memory. @internal */
  copy(): Lowering {
    const copy = new Lowering(this.name, this.ring);
    copy.output = this.output;
    copy.pinned = this.pinned;
    copy.morePinned = this.morePinned;
    copy.extent = sizeOfPin(this.pinned);
    copy.extents = this.morePinned?.map(sizeOfPin);
    return copy;
  }

  /** Whether the memory of a copy is what it was. @internal */
  get whole(): boolean {
    const { pinned } = this;
    // A view that was detached has no bytes.
    if (this.morePinned !== undefined || this.extent === 0 || !(pinned instanceof Uint8Array)) return this.allWhole();
    return pinned.byteLength === this.extent;
  }

  /** All that a copy pins, where that is one array of some bytes, not more than `most`, which is what it was. @internal */
  view(most: number): Uint8Array | undefined {
    const { pinned } = this;
    if (this.morePinned !== undefined || !(pinned instanceof Uint8Array) || !this.whole) return undefined;
    return pinned.length > 0 && pinned.length <= most ? pinned : undefined;
  }

  private allWhole(): boolean {
    const { morePinned, extents } = this;
    return (
      sizeOfPin(this.pinned) === this.extent && (morePinned === undefined || morePinned.every((pin, i) => sizeOfPin(pin) === extents![i]))
    );
  }

  /** Whether nothing is pinned. @internal */
  get empty(): boolean {
    return this.pinned === undefined;
  }

  /** Keeps something alive, and checks its memory for detachment, until the final CQE. */
  pin(owner: object): void {
    if (this.pinned === undefined) this.pinned = owner;
    else (this.morePinned ??= []).push(owner);
  }

  /** Everything that was pinned. */
  get pins(): readonly object[] {
    return this.pinned === undefined ? [] : [this.pinned, ...(this.morePinned ?? [])];
  }

  /** Whether the running kernel has a flag. */
  supports(feature: FeatureName): boolean {
    return kernelSupports(feature, this.ring?.record.features, this.ring?.syscalls);
  }

  /** Refuses the operation, before it is queued, unless the running kernel has a flag that it needs. Answers the flag. */
  needs(feature: FeatureName): number {
    if (!this.supports(feature)) throw missingFeature(feature, this.name);
    return flagOf(feature);
  }

  /** The descriptor or slot number of a file; a slot sets `IOSQE_FIXED_FILE`. */
  file(fd: Fd | FixedFile, option = "fd"): number {
    if (fd instanceof FixedFile) {
      this.flags |= IOSQE_FIXED_FILE;
      return fd.slot;
    }
    if (!Number.isInteger(fd) || fd < -1 || fd > 0x7fff_ffff)
      throw new RangeError(`${this.name}: ${option} is ${show(fd)}; it must be a file descriptor or a FixedFile`);
    return fd;
  }

  /** The address of memory, which is kept alive until the final CQE. */
  memory(memory: Memory): number {
    const address = addressOf(memory);
    this.pin(memory);
    return address;
  }

  /** The address of memory that the caller gave, which is kept alive until the final CQE. */
  data(option: string, memory: Memory): number {
    // The usual kind needs no more questions: a view that has a length has its memory.
    if (!(memory instanceof Uint8Array) || memory.byteLength === 0 || memory.byteLength > MOST_BYTES) this.checkData(option, memory);
    return this.memory(memory);
  }

  private checkData(option: string, memory: Memory): void {
    if (!ArrayBuffer.isView(memory) && !(memory instanceof ArrayBuffer) && !(memory instanceof SharedArrayBuffer))
      throw new TypeError(`${this.name}: ${option} is ${show(memory)}; it must be a typed array or an ArrayBuffer`);
    if (isDetached(memory)) throw new TypeError(`${this.name}: ${option} is detached: its memory was transferred away`);
    if (memory.byteLength > MOST_BYTES)
      throw new RangeError(`${this.name}: ${option} has ${memory.byteLength} bytes; one operation takes at most ${MOST_BYTES}`);
  }

  /** A fixed buffer that the caller gave, which is kept alive until the final CQE. */
  fixed<D extends Direction>(option: string, buffer: FixedBuffer<D>): FixedBuffer<D> {
    if (!(buffer instanceof FixedBuffer)) throw new TypeError(`${this.name}: ${option} is ${show(buffer)}; it must be a FixedBuffer`);
    this.pin(buffer);
    if (buffer.lender !== undefined) this.borrow(buffer.lender);
    return buffer;
  }

  /** Something of a lender's is about to be used. @internal */
  borrow(lender: Lender): void {
    if (this.lender === lender) return;
    if (this.lender !== undefined) throw new TypeError(`${this.name}: its buffers are lent by different requests; one operation uses one`);
    lender.lend(this.ring!, this.at);
    this.lender = lender;
  }

  /** Whether something is lent to the operation: it must be asked for each time. @internal */
  get borrows(): boolean {
    return this.lender !== undefined;
  }

  /** What is lent to the operation is not used by it any more. @internal */
  giveBack(): void {
    if (this.lender === undefined) return;
    const { lender } = this;
    this.lender = undefined;
    lender.giveBack(this.at);
  }

  /** A list that the caller gave, of 1 to `most`. */
  list<T>(option: string, list: readonly T[], most: number): readonly T[] {
    if (!Array.isArray(list)) throw new TypeError(`${this.name}: ${option} is ${show(list)}; it must be an array`);
    if (list.length === 0 || list.length > most)
      throw new RangeError(`${this.name}: ${option} has ${list.length} entries; it must have 1 to ${most}`);
    return list;
  }

  /** Where in a file: -1 for the file's own position when it is left out. */
  offset(option: string, offset: number | undefined): number {
    if (offset === undefined) return -1;
    if (!Number.isSafeInteger(offset) || offset < 0)
      throw new RangeError(`${this.name}: ${option} is ${show(offset)}; it must be an integer of at least 0 (bytes), or left out`);
    return offset;
  }

  /** Memory of `length` bytes that the kernel fills in; the result finds it in {@link Lowering.output}. Answers its address. */
  allocate(length: number): number {
    this.output = new DataView(new ArrayBuffer(length));
    return this.memory(this.output);
  }

  /** The address of a NUL-terminated copy of a string. */
  text(option: string, text: string): number {
    if (typeof text !== "string") throw new TypeError(`${this.name}: ${option} is ${show(text)}; it must be a string`);
    if (text.includes("\0")) throw new TypeError(`${this.name}: ${option} contains a NUL byte`);
    return this.memory(cString(text));
  }

  /** The directory that relative paths start from: a descriptor, never a slot; default the working directory. */
  directory(option: string, fd: Fd | undefined): number {
    return fd === undefined ? AT_FDCWD : checkInteger(this.name, option, fd, AT_FDCWD, 0x7fff_ffff, "an open directory, or left out");
  }

  /** A plain descriptor, where the kernel takes no slot. */
  descriptor(option: string, fd: Fd): number {
    return checkInteger(this.name, option, fd, 0, 0x7fff_ffff, "a file descriptor");
  }

  /** An option of 32 bits: flags, a mode, a count. */
  word(option: string, value: number | undefined, fallback = 0): number {
    return value === undefined ? fallback : checkInteger(this.name, option, value, 0, 0xffff_ffff);
  }

  /** The same where there is no default. */
  needed(option: string, value: number): number {
    return checkInteger(this.name, option, value, 0, 0xffff_ffff);
  }

  /** A length or an offset in bytes. */
  bytes(option: string, value: number): number {
    return checkInteger(this.name, option, value, 0, Number.MAX_SAFE_INTEGER, "bytes");
  }

  /** The SQE's file_index for a place in the file table. */
  place(slot: DirectSlot): number {
    if (slot === "any") return IORING_FILE_INDEX_ALLOC;
    if (slot instanceof FixedFile) return slot.slot + 1;
    throw new TypeError(`${this.name}: slot is ${show(slot)}; it must be a FixedFile or 'any'`);
  }

  /** The number of a buffer group, which is kept alive until the final CQE. */
  group(group: { readonly id: number; check?(): void }): number {
    const id = checkInteger(
      this.name,
      "group's id",
      group?.id,
      0,
      0xffff,
      "a group of this ring: ring.bufferGroup(...), ring.sendGroup(...)",
    );
    group.check?.();
    this.pin(group);
    return id;
  }

  /** The number of a given slot of the file table. */
  slot(option: string, slot: FixedFile): number {
    if (slot instanceof FixedFile) return slot.slot;
    throw new TypeError(`${this.name}: ${option} is ${show(slot)}; it must be a FixedFile`);
  }

  /** Sets a 32-bit word of the SQE that the raw writer does not reach. */
  set(word: number, value: number): void {
    (this.words ??= []).push(word, value);
  }

  /** Completes the SQE that the raw writer has written. */
  finish(ring: RingCore, modifiers: Modifiers): void {
    const flags = this.flags | modifiers.flags;
    if (flags !== 0) ring.setFlags(flags);
    if (modifiers.personality !== 0) ring.setPersonality(modifiers.personality);
    if (this.ioprio !== 0) ring.setIoprio(this.ioprio);
    if (this.words !== undefined) this.setWords(ring, this.words);
  }

  private setWords(ring: RingCore, words: readonly number[]): void {
    for (let i = 0; i < words.length; i += 2) ring.setWord(words[i]!, words[i + 1]!);
  }

  /** Whether a pinned buffer was transferred away while the kernel may have used it. */
  get detached(): boolean {
    const { pinned } = this;
    if (pinned === undefined) return false;
    // A view that has a length has its memory: that is the cheap question.
    return (!(pinned instanceof Uint8Array && pinned.byteLength > 0) && lost(pinned)) || this.morePinned?.some(lost) === true;
  }
}

/** Bytes of what is pinned; -1 when it is lost. */
function sizeOfPin(pin: object | undefined): number {
  if (!ArrayBuffer.isView(pin) && !(pin instanceof ArrayBuffer) && !(pin instanceof SharedArrayBuffer)) return 0;
  return isDetached(pin) ? -1 : pin.byteLength;
}

function lost(pin: object): boolean {
  return (ArrayBuffer.isView(pin) || pin instanceof ArrayBuffer) && isDetached(pin);
}
