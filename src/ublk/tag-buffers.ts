import { FixedBuffer } from "../uring/index.ts";
import { UBLK_IO_F_NEED_REG_BUF } from "./abi.ts";
import { lendsPages } from "./data-mode.ts";
import type { Lease } from "./lease.ts";
import type { RequestMetadata } from "./metadata.ts";
import { Op } from "./op.ts";
import type { QueueSpec } from "./queue-spec.ts";
import type { RequestBuffer } from "./request.ts";
import { SharedData, SharingTagMemory } from "./shared-data.ts";
import { SharedTable } from "./shared-table.ts";
import { TagMemory } from "./tag-memory.ts";
import { UserCopies } from "./user-copies.ts";
import { ZoneAnswers } from "./zone-answers.ts";

/** The data of a queue's tags, in whatever form the mode gives it: memory of this process, or slots of the ring's buffer table. */
export class TagBuffers {
  /** Where data is memory. */
  readonly memory: TagMemory | undefined;
  /** Where this thread may copy data out of requests and into them. */
  readonly copies: UserCopies | undefined;
  /** That memory, where the kernel copies: the data is there when a request arrives, and fetched by the commit. */
  readonly kernelCopied: TagMemory | undefined;
  /** Data that lies in memory shared with the client, where the disk has such. It is neither copied nor fetched, whatever the mode. */
  readonly shared: SharedData | undefined;
  /** What requests of a zoned disk answer. */
  readonly zones: ZoneAnswers | undefined;
  /** By tag, 1: its pages are registered by hand. */
  readonly byHand: Uint8Array;
  readonly #mode: QueueSpec["mode"];
  readonly #handBase: number; // the first slot for pages that are registered by hand
  readonly #tableSlots: number;
  readonly #taken: Uint8Array; // user-copy, 1: a WRITE's data is in memory

  /** `iod`: the mapped descriptors of the tags. */
  constructor(spec: QueueSpec, iod: Int32Array) {
    const { mode, depth, sharedMemory, userCopy } = spec;
    const lends = lendsPages(mode);
    this.#mode = mode;
    this.shared = sharedMemory === undefined ? undefined : new SharedData(new SharedTable(sharedMemory), iod, spec);
    this.memory = lends ? undefined : memoryOf(spec, this.shared);
    this.copies = userCopy ? new UserCopies(spec) : undefined;
    this.zones = spec.zoneSize === 0 ? undefined : new ZoneAnswers(spec, this.copies);
    this.kernelCopied = mode === "user-copy" ? undefined : this.memory;
    // What the kernel registers by itself has the first slots; what failed to, others: the slot may have been the reason.
    this.#handBase = mode === "auto-buf-reg" ? depth : 0;
    this.#tableSlots = lends ? this.#handBase + depth : 0;
    this.#taken = new Uint8Array(depth);
    this.byHand = new Uint8Array(depth);
  }

  /** Slots that the ring's buffer table needs. */
  get tableSlots(): number {
    return this.#tableSlots;
  }

  /** Whether {@link TagBuffers.deliver} has something to do. */
  get delivers(): boolean {
    return this.#mode === "user-copy";
  }

  /** Memory to unmap when the thread died. */
  get mappings(): readonly { address: number; length: number }[] {
    return this.memory === undefined ? [] : [this.memory.mapping];
  }

  /** Whether a request that has arrived, with these `op_flags`, has pages that are to be registered by hand. */
  mustRegister(flags: number): boolean {
    if (this.#mode === "auto-buf-reg") return (flags & UBLK_IO_F_NEED_REG_BUF) !== 0;
    return this.#mode === "zero-copy" && ((flags & 0xff) <= Op.WRITE || (flags & 0xff) === Op.ZONE_APPEND);
  }

  /** Slot for pages of a tag that are registered by hand. */
  handSlot(tag: number): number {
    return this.#handBase + tag;
  }

  /** Slot of the buffer table that holds the request's pages. */
  index(tag: number): number {
    return this.byHand[tag] === 1 ? this.#handBase + tag : tag;
  }

  /** A tag's memory, with a WRITE's data in it. */
  bytes(tag: number, op: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.memory === undefined) {
      if (this.shared?.has(tag)) return this.shared.bytes(tag, length);
      throw new TypeError(
        `the data stays in the kernel in mode '${this.#mode}': use request.buffer, copyTo or copyFrom, or serve with mode: 'copy'`,
      );
    }
    const bytes = this.memory.bytes(tag, length);
    if (this.kernelCopied === undefined && op !== Op.READ && this.#taken[tag] === 0 && !this.shared?.has(tag)) {
      this.copies!.take(tag, 0, bytes);
      this.#taken[tag] = 1;
    }
    return bytes;
  }

  /** The data in whatever form the mode gives it, without the bytes that are done. Pages are lent by the request's lease. */
  buffer(tag: number, op: number, length: number, done: number, lease: () => Lease): RequestBuffer {
    if (this.memory !== undefined) {
      const bytes = this.bytes(tag, op, length);
      return { kind: "memory", bytes: done === 0 ? bytes : bytes.subarray(done) };
    }
    const index = this.index(tag);
    return op === Op.READ
      ? { kind: "sink", fixed: new FixedBuffer(index, done, length - done, "sink", undefined, lease()) }
      : { kind: "source", fixed: new FixedBuffer(index, done, length - done, "source", undefined, lease()) };
  }

  /** Copies a part of a WRITE's data, from `at` on, to where it is wanted. */
  copyTo(tag: number, length: number, at: number, into: Uint8Array): void {
    if (this.memory === undefined && !this.shared?.has(tag)) this.#copiesFor("copyTo").take(tag, at, into);
    else into.set(this.bytes(tag, Op.WRITE, length).subarray(at, at + into.length));
  }

  /** Copies bytes to a part of a READ's data, from `at` on. */
  copyFrom(tag: number, length: number, at: number, from: Uint8Array): void {
    if (this.memory === undefined && !this.shared?.has(tag)) this.#copiesFor("copyFrom").give(tag, at, from);
    else this.bytes(tag, Op.READ, length).set(from, at);
  }

  #copiesFor(method: string): UserCopies {
    if (this.copies !== undefined) return this.copies;
    throw new TypeError(`${method}: this kernel's ublk has no USER_COPY beside mode '${this.#mode}'; serve with mode: 'copy'`);
  }

  /** A request's metadata, from the sector `done` of it on, where it has any. */
  metadata(_tag: number, _done: number): RequestMetadata | undefined {
    return undefined;
  }

  /** A request is about to end: a READ's data goes where the client finds it. */
  deliver(tag: number, op: number, result: number): void {
    this.#taken[tag] = 0;
    if (op === Op.READ && result > 0 && !this.shared?.has(tag)) this.copies!.giveFrom(tag, 0, this.memory!.address(tag), result);
  }

  /** Detaches the views, and unmaps the memory unless the kernel may still use it. The ring must be closed. */
  dispose(inUse: boolean): void {
    this.memory?.dispose(inUse);
  }
}

function memoryOf(spec: QueueSpec, shared: SharedData | undefined): TagMemory {
  return shared === undefined ? new TagMemory(spec) : new SharingTagMemory(spec, shared);
}
