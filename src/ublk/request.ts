import { join64 } from "../ffi/index.ts";
import type { FixedBuffer } from "../uring/index.ts";
import * as abi from "./abi.ts";
import type { RequestSink, RequestSource } from "./lent-data.ts";
import type { RequestMetadata } from "./metadata.ts";
import { Op, opName } from "./op.ts";
import type { UblkQueue } from "./queue.ts";
import { errnoOfReason } from "./results.ts";
import { ANSWERED, IN_HANDLER } from "./tag-states.ts";
import type { TagTable } from "./tag-table.ts";
import type { Zone } from "./zones.ts";

/** 32-bit words in a descriptor (`struct ublksrv_io_desc`). */
export const DESCRIPTOR_WORDS = 6;

/**
 * A request's data. In modes that copy it is memory of this process. In those that lend pages (`"auto-buf-reg"`, `"zero-copy"`) it stays in
 * the kernel: a WRITE request's pages are a source that operations may read from, a READ request's a sink that they may write into, and never the other way.
 */
export type RequestBuffer =
  | { readonly kind: "memory"; readonly bytes: Uint8Array }
  | { readonly kind: "source"; readonly fixed: FixedBuffer<"source"> }
  | { readonly kind: "sink"; readonly fixed: FixedBuffer<"sink"> };

/** What a target's methods are told besides buffer and offset. Current until the method is done; not to be kept longer. */
export interface RequestContext {
  /** The data must be durable before the write completes. */
  readonly fua: boolean;
  /** WRITE_ZEROES must keep the blocks allocated. */
  readonly noUnmap: boolean;
  /** Aborts when the device stops without waiting for this request any longer. */
  readonly signal: AbortSignal;
  /** As {@link UblkRequest.metadata}. */
  readonly metadata: RequestMetadata | undefined;
}

/** The context of a tag's request: one object per tag, filled anew for each request. @internal */
export class TagContext implements RequestContext {
  private readonly tags: TagTable;
  readonly #tag: number;
  fua = false;
  noUnmap = false;

  constructor(tags: TagTable, tag: number) {
    this.tags = tags;
    this.#tag = tag;
  }

  get signal(): AbortSignal {
    return this.tags.signalOf(this.#tag);
  }

  get metadata(): RequestMetadata | undefined {
    return this.tags.metadataOf(this.#tag);
  }
}

/**
 * A block request, while a handler looks at it. One object is used for all requests of a queue: it is valid during the call only.
 * Whoever finishes later takes a token with {@link UblkRequest.defer}.
 */
export class UblkRequest {
  /** The queue it arrived on. */
  declare readonly queue: UblkQueue;
  /** Its tag, 0 to depth - 1; -1 outside a handler. */
  tag = -1;
  // The kernel's descriptors of the queue: fields are read when they are asked for, and the descriptor holds until the commit.
  declare private readonly descriptors: Int32Array;
  declare private readonly tags: TagTable;
  declare private readonly states: Uint8Array; // of the tag table
  declare private readonly done: Int32Array; // of the tag table

  /** @internal */
  constructor(queue: UblkQueue, tags: TagTable, descriptors: Int32Array) {
    this.queue = queue;
    this.tags = tags;
    this.states = tags.states;
    this.done = tags.done;
    this.descriptors = descriptors;
  }

  /** The descriptor's `op_flags`: the op and `UBLK_IO_F_*`. */
  get flags(): number {
    return this.descriptors[this.check() * DESCRIPTOR_WORDS]!;
  }

  /** What it asks for: {@link Op}. */
  get op(): number {
    return this.flags & 0xff;
  }

  /** Sectors, in units of 512 bytes. */
  get sectors(): number {
    const tag = this.check();
    return (this.descriptors[tag * DESCRIPTOR_WORDS + 1]! - this.done[tag]!) >>> 0;
  }

  /** First sector, in units of 512 bytes. */
  get startSector(): number {
    const tag = this.check();
    const at = tag * DESCRIPTOR_WORDS;
    return join64(this.descriptors[at + 2]!, this.descriptors[at + 3]!) + this.done[tag]!;
  }

  /** Where it starts, in bytes. */
  get offset(): number {
    return this.startSector * 512;
  }

  /** Its length in bytes; 0 for FLUSH, REPORT_ZONES and what is done to zones as a whole. */
  get length(): number {
    const { op } = this;
    return op === Op.FLUSH || op === Op.REPORT_ZONES ? 0 : this.sectors * 512;
  }

  /** How many zones a REPORT_ZONES asks for, from {@link UblkRequest.offset} on. */
  get zones(): number {
    return this.op === Op.REPORT_ZONES ? this.sectors : 0;
  }

  /** The op's name, for messages. */
  get name(): string {
    return opName(this.op);
  }

  /** Durable before completion (`UBLK_IO_F_FUA`). */
  get fua(): boolean {
    return (this.flags & abi.UBLK_IO_F_FUA) !== 0;
  }

  /** WRITE_ZEROES must not deallocate (`UBLK_IO_F_NOUNMAP`). */
  get noUnmap(): boolean {
    return (this.flags & abi.UBLK_IO_F_NOUNMAP) !== 0;
  }

  /**
   * The data as memory, in modes that copy, and of {@link UblkRequest.shared} requests: to be filled for a READ, filled for a WRITE. Valid until completion. In mode user-copy a WRITE's
   * data is fetched by this: ask in every request.
   *
   * @throws TypeError in a mode whose data stays in the kernel: use {@link UblkRequest.buffer}.
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.tags.bytesOf(this.check());
  }

  /** The data in whatever form the device's mode gives it. */
  get buffer(): RequestBuffer {
    return this.tags.bufferOf(this.check(), this.op);
  }

  /**
   * Whether the data lies in memory that the client shares with the disk (`UBLK_IO_F_SHMEM_ZC`, {@link UblkDevice.shareMemory}): then
   * {@link UblkRequest.bytes} is the client's own memory, in every mode, and nothing is copied.
   */
  get shared(): boolean {
    return (this.flags & abi.UBLK_IO_F_SHMEM_ZC) !== 0;
  }

  /**
   * The data of a WRITE, lent to operations and plans of the queue's ring, in every mode; they may use any part of it, side by side. The
   * request cannot be finished before the last of them is over.
   *
   * @throws TypeError for another op, or when the request is finished.
   */
  source(): RequestSource {
    return this.tags.sourceOf(this.check());
  }

  /** Where the data of a READ goes, lent in the same way. */
  sink(): RequestSink {
    return this.tags.sinkOf(this.check());
  }

  /**
   * Copies bytes of a WRITE's data, from `at` within the request on, to where the target wants them: all of `into`. In every mode; where
   * pages are lent it is a `pread(2)` on the char device (`UBLK_F_USER_COPY`, 6.5), before the request is finished.
   *
   * @throws RangeError when the bytes lie outside the request; TypeError for another op, or when the request is finished.
   */
  copyTo(into: Uint8Array, at = 0): void {
    this.tags.copyTo(this.check(), into, at);
  }

  /** Copies all of `from` to a READ's data, from `at` within the request on: as {@link UblkRequest.copyTo}, by `pwrite(2)`. */
  copyFrom(from: Uint8Array, at = 0): void {
    this.tags.copyFrom(this.check(), from, at);
  }

  /** The metadata of a READ or WRITE, of a disk with `integrity` (`UBLK_IO_F_INTEGRITY`). Undefined where the client brings or wants none. */
  get metadata(): RequestMetadata | undefined {
    return this.tags.metadataOf(this.check());
  }

  /**
   * Says where on the disk the data of a ZONE_APPEND goes, in bytes: on a block, in the zone that starts at {@link UblkRequest.offset}. Before
   * the request is completed; only then does the client learn of it.
   */
  placeAt(offset: number): void {
    this.tags.placeAt(this.check(), offset);
  }

  /**
   * Answers a REPORT_ZONES with zones from {@link UblkRequest.offset} on: at least one, and no more than {@link UblkRequest.zones} of them count.
   * Before the request is completed.
   */
  reportZones(zones: readonly Zone[]): void {
    this.tags.reportZones(this.check(), zones);
  }

  /** Aborts when the device stops without waiting for this request any longer. */
  get signal(): AbortSignal {
    return this.tags.signalOf(this.check());
  }

  /**
   * Finishes the request: with its whole length; a READ or WRITE also with its first bytes, and then its rest is handled as a request of its
   * own, on the same tag. Only whole blocks count; none is an EIO.
   */
  complete(bytes?: number): void {
    if (bytes === undefined && this.states[this.tag] === IN_HANDLER) this.states[this.tag] = ANSWERED;
    else this.completeOtherwise(bytes);
  }

  private completeOtherwise(bytes: number | undefined): void {
    const tag = this.check();
    if (bytes === undefined) this.queue.finishWhole(tag);
    else this.queue.finish(tag, this.op, this.length, bytes);
  }

  /** Fails the request: with a negative errno, or with what the error stands for (EIO if nothing better). */
  fail(reason: unknown): void {
    this.queue.fail(this.check(), errnoOfReason(reason));
  }

  /** A token to finish the request later, from anywhere on this thread. The request object itself is void after the call. */
  defer(): DeferredRequest {
    this.check();
    return this.tags.defer(this);
  }

  /**
   * Ring level: the slot of one of the request's own operations (`members` of the target's geometry). The request stays open until
   * {@link UblkRequest.complete}; the operation's CQE calls the target's `completed`.
   */
  member(index = 0): number {
    return this.tags.memberSlot(this.check(), index);
  }

  /**
   * Ring level: reads a file into the request's data, in every mode. For READ requests.
   *
   * @param at first byte within the request; `length` bytes from there.
   */
  readFrom(fd: number, fileOffset: number, at = 0, length: number = this.length - at, member = 0): void {
    this.tags.readFrom(this.check(), fd, fileOffset, at, length, member);
  }

  /** Ring level: writes the request's data to a file, in every mode. For WRITE requests. `rwFlags` are `RWF_*`. */
  writeTo(fd: number, fileOffset: number, rwFlags = 0, at = 0, length: number = this.length - at, member = 0): void {
    this.tags.writeTo(this.check(), fd, fileOffset, rwFlags, at, length, member);
  }

  /**
   * Ring level: what the `iov_base` of an iovec counts from, for {@link UblkRequest.readvFrom} and {@link UblkRequest.writevTo}. The
   * request's byte `at` has the base `vectorBase + at`: an address in modes that copy, a place within the pages where they are lent.
   */
  get vectorBase(): number {
    return this.tags.vectorBase(this.check());
  }

  /**
   * Ring level: reads a file into several parts of the request's data, in every mode. For READ requests.
   *
   * @param vectors address of `count` iovecs (at most 1024), which must stay as they are until the operation completes. They are taken as
   *   they are: what lies outside the request is memory of others.
   */
  readvFrom(fd: number, fileOffset: number, vectors: number, count: number, member = 0): void {
    this.tags.readvFrom(this.check(), fd, fileOffset, vectors, count, member);
  }

  /** Ring level: writes several parts of the request's data to a file, as {@link UblkRequest.readvFrom} reads. For WRITE requests. */
  writevTo(fd: number, fileOffset: number, vectors: number, count: number, rwFlags = 0, member = 0): void {
    this.tags.writevTo(this.check(), fd, fileOffset, vectors, count, rwFlags, member);
  }

  /** What methods are told; one object per tag, current until the request is finished. @internal */
  get context(): RequestContext {
    return this.tags.contextOf(this.check(), this.flags);
  }

  private check(): number {
    if (this.tag < 0)
      throw new TypeError("the request is over: it is valid during the handler's call only; take a token with request.defer()");
    return this.tag;
  }
}

/** The right to finish one request later. It knows which request it belongs to: a second use throws and touches nothing. */
export class DeferredRequest {
  /** The queue it arrived on. */
  readonly queue: UblkQueue;
  private readonly tags: TagTable;
  readonly #generation: number;
  /** The request's tag. */
  readonly tag: number;
  /** {@link Op}. */
  readonly op: number;
  /** Where it starts, in bytes. */
  readonly offset: number;
  /** As {@link UblkRequest.length}. */
  readonly length: number;

  /** @internal */
  constructor(queue: UblkQueue, tags: TagTable, request: UblkRequest, generation: number) {
    this.queue = queue;
    this.tags = tags;
    this.#generation = generation;
    this.tag = request.tag;
    this.op = request.op;
    this.offset = request.offset;
    this.length = request.length;
  }

  /** Whether the request is still open. */
  get open(): boolean {
    return this.tags.isOpen(this.tag, this.#generation);
  }

  /** The data, as {@link UblkRequest.buffer}. */
  get buffer(): RequestBuffer {
    return this.tags.bufferOf(this.check(), this.op);
  }

  /** As {@link UblkRequest.source}. */
  source(): RequestSource {
    return this.tags.sourceOf(this.check());
  }

  /** As {@link UblkRequest.sink}. */
  sink(): RequestSink {
    return this.tags.sinkOf(this.check());
  }

  /** As {@link UblkRequest.copyTo}. */
  copyTo(into: Uint8Array, at = 0): void {
    this.tags.copyTo(this.check(), into, at);
  }

  /** As {@link UblkRequest.copyFrom}. */
  copyFrom(from: Uint8Array, at = 0): void {
    this.tags.copyFrom(this.check(), from, at);
  }

  /** As {@link UblkRequest.metadata}. */
  get metadata(): RequestMetadata | undefined {
    return this.tags.metadataOf(this.check());
  }

  /** As {@link UblkRequest.placeAt}. */
  placeAt(offset: number): void {
    this.tags.placeAt(this.check(), offset);
  }

  /** As {@link UblkRequest.reportZones}. */
  reportZones(zones: readonly Zone[]): void {
    this.tags.reportZones(this.check(), zones);
  }

  /** Aborts when the device stops without waiting any longer. */
  get signal(): AbortSignal {
    return this.tags.signalOf(this.check(), this.#generation);
  }

  /** Finishes the request, as {@link UblkRequest.complete}. */
  complete(bytes: number = this.length): void {
    this.queue.finish(this.check(), this.op, this.length, bytes);
  }

  /** Fails the request, as {@link UblkRequest.fail}. */
  fail(reason: unknown): void {
    this.queue.fail(this.check(), errnoOfReason(reason));
  }

  private check(): number {
    if (!this.open)
      throw new TypeError(
        `the ${opName(this.op)} request of tag ${this.tag} is finished already, or its device has stopped: this token is stale`,
      );
    return this.tag;
  }
}
