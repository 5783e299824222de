import { high32 } from "../ffi/index.ts";
import * as io from "../uring/abi.ts";
import type { RawRing } from "../uring/raw-ring.ts";
import * as abi from "./abi.ts";
import type { QueueSpec } from "./queue-spec.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import { ownTags } from "./threads.ts";

/** The char device's place in the ring's file table. */
export const CHAR_FILE = 0;

// Words of a tag's SQE beyond the usual ones: struct ublksrv_io_cmd starts at word 12.
const CMD_OP = 2;
const AUTO_REG = 4;
const USER_DATA = 8;
const IO_CMD = 12;
const RESULT = 13;
const BUFFER = 14;

/** Writes a ring's permanent SQE anew, as a command of the char device without arguments. Answers where its words begin. */
export function writeCommand({ sqeShift, words }: Pick<RawRing, "sqeShift" | "words">, slot: number, command: number, flags = 0): number {
  const at = slot << sqeShift;
  words.fill(0, at, at + (1 << sqeShift));
  words[at] = io.IORING_OP_URING_CMD | ((io.IOSQE_FIXED_FILE | flags) << 8);
  words[at + 1] = CHAR_FILE;
  words[at + CMD_OP] = command;
  words[at + USER_DATA] = slot; // generation 0
  return at;
}

/** What a queue asks of whatever writes its commands, besides commits. */
export interface QueueCommands {
  /** Asks for the first request of every tag. */
  fetchAll(): void;
  /** Repeats a commit that the kernel refused, written anew. */
  repeat(tag: number): void;
}

/** Writes the commands of a queue's tags: a permanent SQE per tag. */
export class TagCommands implements QueueCommands {
  /** The SQE array of the ring. */
  declare private readonly words: Int32Array;
  declare private readonly shift: number;
  declare private readonly raw: RawRing;
  readonly #spec: QueueSpec;
  readonly #buffers: TagBuffers;

  constructor(raw: RawRing, spec: QueueSpec, buffers: TagBuffers) {
    this.raw = raw;
    this.words = raw.words;
    this.shift = raw.sqeShift;
    this.#spec = spec;
    this.#buffers = buffers;
  }

  /** Fetches the thread's tags (FETCH_REQ). From then on its SQE is COMMIT_AND_FETCH_REQ. */
  fetchAll(): void {
    const tags = ownTags(this.#spec);
    for (const tag of tags) {
      this.#write(tag, this.#number(abi.UBLK_U_IO_FETCH_REQ));
      this.raw.armTemplate(tag);
    }
    // The kernel must have read every FETCH before its SQE turns into a COMMIT.
    while (this.raw.queued > 0) this.raw.enter(0);
    for (const tag of tags) this.commits(tag);
  }

  /** Asks for the data of a tag's WRITE (NEED_GET_DATA). */
  getData(tag: number): void {
    this.words[(tag << this.shift) + CMD_OP] = this.#number(abi.UBLK_U_IO_NEED_GET_DATA);
    this.raw.armTemplate(tag);
  }

  /** A tag's SQE is COMMIT_AND_FETCH_REQ from now on. The kernel must have read what it was. */
  commits(tag: number): void {
    this.words[(tag << this.shift) + CMD_OP] = this.#number(abi.UBLK_U_IO_COMMIT_AND_FETCH_REQ);
  }

  /** Sets the result of a tag's commit, which goes out when the tag's SQE is queued again: two stores in all. */
  setResult(tag: number, result: number): void {
    this.words[(tag << this.shift) + RESULT] = result;
  }

  /** Sets where the data of a tag's ZONE_APPEND went, in sectors: it is part of the commit. */
  place(tag: number, sector: number): void {
    const at = (tag << this.shift) + BUFFER;
    this.words[at] = sector;
    this.words[at + 1] = high32(sector);
  }

  /** Writes the tag's SQE anew and repeats a commit that the kernel refused. */
  repeat(tag: number): void {
    const at = tag << this.shift;
    const [result, low, high] = this.words.slice(at + RESULT, at + BUFFER + 2) as unknown as [number, number, number];
    this.#write(tag, this.#number(abi.UBLK_U_IO_COMMIT_AND_FETCH_REQ));
    this.setResult(tag, result);
    if (this.#spec.zoneSize > 0) this.words.set([low, high], at + BUFFER);
    this.raw.armTemplate(tag);
  }

  #write(tag: number, command: number): void {
    const { words } = this;
    const at = writeCommand(this.raw, tag, command);
    words[at + IO_CMD] = this.#spec.queue | (tag << 16);
    if (this.#spec.mode === "auto-buf-reg") words[at + AUTO_REG] = tag | (abi.UBLK_AUTO_BUF_REG_FALLBACK << 16);
    else if (this.#buffers.kernelCopied !== undefined) {
      const address = this.#buffers.kernelCopied.address(tag);
      words[at + BUFFER] = address;
      words[at + BUFFER + 1] = high32(address);
    }
  }

  #number(encoded: number): number {
    return this.#spec.encoding === "ioctl" ? encoded : encoded & 0xff;
  }
}
