import { addressOf, cString, isDetached, type Memory } from "../ffi/index.ts";
import { IORING_FILE_INDEX_ALLOC, IOSQE_FIXED_FILE } from "./abi.ts";
import type { Completions, RingCore } from "./core.ts";
import { type DirectSlot, type Fd, FixedFile } from "./handles.ts";
import { checkInteger, checkKnown, show } from "./options.ts";

/** What a raw writer takes after the slot: integers, or the words of a payload. */
export type RawArgument = number | Int32Array;

/** The arguments of a raw writer. The empty tuple in it makes TypeScript infer tuples, not arrays. */
type RawArguments = readonly (RawArgument | undefined)[] | [];

/**
 * One io_uring operation, declared once: the raw writer and the described operation both come from it.
 *
 * `raw` writes the SQE from positional numbers and is the method of that name on {@link RawRing}; `lower` turns a description
 * into the same numbers and pins the memory it names; `result` turns the CQE into the described layer's value.
 */
export interface Declaration<Name extends string, Args extends RawArguments, Options extends object, Result> {
  /** The name on both layers. */
  readonly name: Name;
  /** `IORING_OP_*`. */
  readonly opcode: number;
  /** The system call it stands for. */
  readonly syscall: string;
  /** The first kernel that has it. */
  readonly since: string;
  readonly completions: Completions;
  /** The options a description may have. */
  readonly options: readonly (keyof Options & string)[];
  /** Negative results that are not failures: -ETIME of a timer. */
  readonly accepts?: readonly number[];
  /** What an errno means here, where that is something of its own: likely cause and remedy, by name. */
  readonly hints?: Readonly<Record<string, string>>;
  raw(this: RingCore, slot: number, ...args: Args): void;
  lower(options: Options, lowering: Lowering): Args;
  /** The value of a CQE. What the kernel wrote into memory of the operation itself is in the lowering's {@link Lowering.output}. */
  result(result: number, flags: number, options: Options, lowering: Lowering): Result;
  /** Undoes a completion whose value nobody gets, because it was aborted: closes what was opened, gives a buffer back. */
  discard?(result: number, flags: number, options: Options, ring: RingCore, lowering: Lowering): void;
  /** What a notification says (`CQE_F_NOTIF`), for operations of the kind "notify". */
  notified?(result: number, options: Options): unknown;
  /** How the completions of the kind "many" make an iteration. */
  readonly shots?: ShotRules<Options, Result>;
}

/** What an iteration must know of a multishot operation beyond its results; everything has a default. */
export interface ShotRules<Options extends object, Result> {
  /** Whether a CQE (with the value made of it) only tells the end, and is no item. Default, with a buffer group: it carries no buffer. */
  ends?(value: Result, flags: number, options: Options): boolean;
  /**
   * The kernel may end a multishot operation that has more to come: the CQ was full, or the buffer group empty (`result` is -ENOBUFS
   * then). With what options it starts again; undefined when that was the end. `total` sums the results since it was started. Default,
   * with a buffer group: the same options, unless the result is 0.
   */
  again?(result: number, flags: number, options: Options, total: number): Options | undefined;
  /** Takes back what an item lends, at the iteration's next step; `unseen` when nobody ever got the item. */
  release?(value: Result, options: Options, unseen: boolean): void;
  /** After how many items the iteration is over, however often the operation was started. Default: no limit. */
  limit?(options: Options): number | undefined;
  /** So many items may wait for the consumer; with more, the operation is stopped until they are taken. Default: no limit. */
  readonly ahead?: number;
}

/** The usual result: what the CQE says, a count or 0. */
export const count = (result: number): number => result;

/** Declares an operation; only the types need help. */
export function declare<Name extends string, Args extends RawArguments, Options extends object, Result>(
  declaration: Declaration<Name, Args, Options, Result>,
): Declaration<Name, Args, Options, Result> {
  return Object.freeze(declaration);
}

const NOTHING = new DataView(new ArrayBuffer(0));
const AT_FDCWD = -100;

/** Collects what a description needs beyond its words: SQE flags, ioprio, and memory that must live until the final CQE. */
export class Lowering {
  /** `IOSQE_*`. */
  flags = 0;
  /** The SQE's ioprio: a priority, or the flag word of the socket operations. */
  ioprio = 0;
  /** Kept alive, and checked for detachment, until the final CQE. */
  readonly pins: object[] = [];
  /** What the kernel fills in for the result, as {@link Lowering.allocate} made it. */
  output = NOTHING;
  #words: number[] | undefined;

  constructor(
    /** The operation's name, for what is wrong with an option. */
    readonly name = "operation",
    /** The ring it goes to: for results that lie in the second half of a 32-byte CQE. */
    readonly ring: RingCore | undefined = undefined,
  ) {}

  /** The descriptor or slot number of a file; a slot sets `IOSQE_FIXED_FILE`. */
  file(fd: Fd | FixedFile): number {
    if (fd instanceof FixedFile) {
      this.flags |= IOSQE_FIXED_FILE;
      return fd.slot;
    }
    if (!Number.isInteger(fd) || fd < -1 || fd > 0x7fff_ffff)
      throw new RangeError(`fd is ${String(fd)}; it must be a file descriptor or a FixedFile`);
    return fd;
  }

  /** The address of memory, which is kept alive until the final CQE. */
  memory(memory: Memory): number {
    const address = addressOf(memory);
    this.pins.push(memory);
    return address;
  }

  /** Memory of `length` bytes that the kernel fills in; the result finds it in {@link Lowering.output}. Answers its address. */
  allocate(length: number): number {
    this.output = new DataView(new ArrayBuffer(length));
    return this.memory(this.output);
  }

  /** The address of a NUL-terminated copy of a string. */
  text(option: string, text: string): number {
    if (typeof text !== "string") throw new TypeError(`${this.name}: ${option} is ${show(text)}; it must be a string`);
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

  /** Sets a 32-bit word of the SQE that the raw writer does not reach. */
  set(word: number, value: number): void {
    (this.#words ??= []).push(word, value);
  }

  /** Completes the SQE that the raw writer has written. */
  finish(ring: RingCore): void {
    if (this.flags !== 0) ring.setFlags(this.flags);
    if (this.ioprio !== 0) ring.setIoprio(this.ioprio);
    if (this.#words === undefined) return;
    for (let i = 0; i < this.#words.length; i += 2) ring.setWord(this.#words[i]!, this.#words[i + 1]!);
  }

  /** Whether a pinned buffer was transferred away while the kernel may have used it. */
  get detached(): boolean {
    return this.pins.some((pin) => (ArrayBuffer.isView(pin) || pin instanceof ArrayBuffer) && isDetached(pin));
  }
}

/** A declaration of any operation: what one operation knows of another's options is nothing. */
export type AnyDeclaration = Omit<Declaration<string, readonly never[], never, unknown>, "lower" | "shots"> & {
  lower(options: never, lowering: Lowering): readonly (RawArgument | undefined)[];
  readonly shots?: Omit<ShotRules<never, unknown>, "again"> & {
    again?(result: number, flags: number, options: never, total: number): object | undefined;
  };
};

/**
 * A described operation: an immutable value that says what to do and has done nothing yet. `ring.run` executes it, as often as
 * wanted. `Result` is what it resolves to.
 */
export class Operation<Result> {
  /** What the operation is made of; shared by all of its kind. @internal */
  readonly declaration: AnyDeclaration;
  /** The options it was made with; frozen. */
  readonly options: object;
  declare protected readonly _result: Result;

  /** @internal */
  constructor(declaration: AnyDeclaration, options: object) {
    checkKnown(declaration.name, options, declaration.options);
    this.declaration = declaration;
    this.options = Object.freeze({ ...options });
  }

  /** The operation's name, e.g. `"read"`. */
  get name(): string {
    return this.declaration.name;
  }

  /** Its `IORING_OP_*` number. */
  get opcode(): number {
    return this.declaration.opcode;
  }

  /** Writes the SQE for a slot of a ring and answers what must be pinned until the final CQE. @internal */
  encode(ring: RingCore, slot: number): Lowering {
    const lowering = new Lowering(this.name, ring);
    const args = this.declaration.lower(this.options as never, lowering) as never[];
    this.declaration.raw.call(ring, slot, ...args);
    lowering.finish(ring);
    return lowering;
  }
}

/** An operation that completes many times; `ring.run` of it is an async iterable. */
export class MultishotOperation<Item> extends Operation<Item> {
  /** Tells it from an operation that completes once. */
  readonly multishot = true as const;
}

/** The same operation with other options, and whatever else it carries. */
export function withOptions<Op extends Operation<unknown>>(operation: Op, options: object): Op {
  const copy = Object.create(Object.getPrototypeOf(operation)) as Op;
  return Object.assign(copy, operation, { options: Object.freeze({ ...options }) });
}
