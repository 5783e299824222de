import { join64 } from "../ffi/index.ts";
import type { Driver, FixedSink, FixedSource } from "../uring/index.ts";
import { UBLK_IO_F_FUA, UBLK_IO_F_NOUNMAP } from "./abi.ts";
import type { Lease } from "./lease.ts";
import { RequestSink, RequestSource } from "./lent-data.ts";
import type { RequestMetadata } from "./metadata.ts";
import { Op } from "./op.ts";
import type { UblkQueue } from "./queue.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { DESCRIPTOR_WORDS, DeferredRequest, type RequestBuffer, TagContext, type UblkRequest } from "./request.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import type { TagLeases } from "./tag-leases.ts";
import type { TagMembers } from "./tag-members.ts";
import type { TagMemory } from "./tag-memory.ts";
import type { TagSignals } from "./tag-signals.ts";
import { ANSWERED, DEAD, FETCHING, HELD, IN_HANDLER, IN_KERNEL, isOpen, OPEN, WAITING } from "./tag-states.ts";
import { ownTags } from "./threads.ts";
import type { Zone } from "./zones.ts";

/** What a tag table consults. */
export interface TagTableParts {
  readonly queue: UblkQueue;
  /** The mapped descriptors of the tags. */
  readonly iod: Int32Array;
  readonly buffers: TagBuffers;
  readonly driver: Driver;
  readonly members: TagMembers;
  readonly leases: TagLeases;
  readonly signals: TagSignals;
  /** A request has got a signal, or a lease: there is more to its end than a commit. */
  readonly isRare: () => void;
}

/** The tags of a queue: where each is in its life, and what its request may ask for while it is open. */
export class TagTable {
  /** Their states, see tag-states.ts. */
  readonly states: Uint8Array;
  /** When a request was left open. */
  readonly since: Float64Array;
  /** Sectors that are done of a request whose target has done a part. */
  readonly done: Int32Array;
  /** 1: the request ends when an operation of the described layer does, and not before. */
  readonly selfEnding: Uint8Array;
  /** Requests that a token ends. */
  deferred = 0;
  /** The queue is closed: no request is open any more. */
  closed = false;
  readonly #generations: Int32Array; // requests of a tag that were left open: what makes a token stale
  readonly #contexts: (TagContext | undefined)[];
  readonly #queue: UblkQueue;
  readonly #iod: Int32Array;
  readonly #buffers: TagBuffers;
  readonly #memory: TagMemory | undefined; // where a request's data is there without further ado
  readonly #driver: Driver;
  readonly #members: TagMembers;
  readonly #leases: TagLeases;
  readonly #signals: TagSignals;
  readonly #isRare: () => void;

  constructor(
    spec: Pick<QueueSpec, "depth" | "threads" | "thread">,
    { queue, iod, buffers, driver, members, leases, signals, isRare }: TagTableParts,
  ) {
    const { depth } = spec;
    this.states = new Uint8Array(depth).fill(DEAD); // as those of other threads are here
    for (const tag of ownTags(spec)) this.states[tag] = FETCHING;
    this.since = new Float64Array(depth);
    this.done = new Int32Array(depth);
    this.selfEnding = new Uint8Array(depth);
    this.#generations = new Int32Array(depth);
    this.#contexts = new Array<TagContext | undefined>(depth).fill(undefined);
    this.#queue = queue;
    this.#iod = iod;
    this.#buffers = buffers;
    this.#memory = buffers.kernelCopied;
    this.#driver = driver;
    this.#members = members;
    this.#leases = leases;
    this.#signals = signals;
    this.#isRare = isRare;
  }

  /** Whether a token is still good. */
  isOpen(tag: number, generation: number): boolean {
    const state = this.states[tag];
    return !this.closed && this.#generations[tag] === generation && (state === OPEN || state === HELD || state === IN_HANDLER);
  }

  /** The metadata of a request, where it has any. */
  metadataOf(tag: number): RequestMetadata | undefined {
    this.#checkOpen(tag);
    return this.#buffers.metadata(tag, this.done[tag]!);
  }

  /** The result of a request that is done, other than a READ or a WRITE. */
  wholeOf(tag: number): number {
    const { zones } = this.#buffers;
    if (zones === undefined) return 0;
    const op = this.#opOf(tag);
    const lacks = zones.lacks(tag, op);
    if (lacks !== undefined) this.#queue.report(lacks, op, this.#startOf(tag), 0);
    return zones.resultOf(tag, op);
  }

  /** Says where the data of a ZONE_APPEND goes. */
  placeAt(tag: number, offset: number): void {
    this.#checkOpen(tag);
    if (this.#opOf(tag) !== Op.ZONE_APPEND) throw new TypeError("placeAt is for ZONE_APPEND requests");
    this.#buffers.zones!.placeAt(tag, this.#startOf(tag), this.#iod[tag * DESCRIPTOR_WORDS + 1]! * 512, offset);
  }

  /** Answers a REPORT_ZONES. */
  reportZones(tag: number, zones: readonly Zone[]): void {
    this.#checkOpen(tag);
    if (this.#opOf(tag) !== Op.REPORT_ZONES) throw new TypeError("reportZones is for REPORT_ZONES requests");
    this.#buffers.zones!.report(tag, this.#startOf(tag), this.#iod[tag * DESCRIPTOR_WORDS + 1]!, zones);
  }

  #opOf(tag: number): number {
    return this.#iod[tag * DESCRIPTOR_WORDS]! & 0xff;
  }

  #startOf(tag: number): number {
    return join64(this.#iod[tag * DESCRIPTOR_WORDS + 2]!, this.#iod[tag * DESCRIPTOR_WORDS + 3]!) * 512;
  }

  /** The data of a tag's request as memory. */
  bytesOf(tag: number): Uint8Array<ArrayBuffer> {
    const op = this.#iod[tag * DESCRIPTOR_WORDS]! & 0xff;
    if (op > Op.WRITE && op !== Op.ZONE_APPEND) throw new TypeError("only READ, WRITE and ZONE_APPEND requests carry data");
    const length = this.#iod[tag * DESCRIPTOR_WORDS + 1]! * 512;
    if (this.#memory === undefined) this.#checkOpen(tag); // or what is copied would be the next request's
    const whole = this.#memory !== undefined ? this.#memory.bytes(tag, length) : this.#buffers.bytes(tag, op, length);
    return this.done[tag] === 0 ? whole : whole.subarray(this.done[tag]! * 512);
  }

  /** The data in whatever form the mode gives it. */
  bufferOf(tag: number, op: number): RequestBuffer {
    if (this.#memory === undefined) this.#checkOpen(tag);
    const lease = (): Lease => this.#leaseOf(tag);
    return this.#buffers.buffer(tag, op, this.#iod[tag * DESCRIPTOR_WORDS + 1]! * 512, this.done[tag]! * 512, lease);
  }

  /** A WRITE's data, for operations to read from. */
  sourceOf(tag: number): RequestSource {
    const data = this.#dataOf(tag, Op.WRITE) as Uint8Array<ArrayBuffer> | FixedSource;
    return new RequestSource(this.#leaseOf(tag), data);
  }

  /** Where a READ's data goes, for operations to write into. */
  sinkOf(tag: number): RequestSink {
    const data = this.#dataOf(tag, Op.READ) as Uint8Array<ArrayBuffer> | FixedSink;
    return new RequestSink(this.#leaseOf(tag), data);
  }

  #dataOf(tag: number, op: number): Uint8Array<ArrayBuffer> | FixedSource | FixedSink {
    this.#checkOpen(tag);
    this.#checkKind(tag, op);
    const buffer = this.bufferOf(tag, op);
    return buffer.kind === "memory" ? (buffer.bytes as Uint8Array<ArrayBuffer>) : buffer.fixed;
  }

  #leaseOf(tag: number): Lease {
    this.#isRare();
    return this.#leases.of(tag);
  }

  /** Whether operations of its own, or on what it has lent, are in flight. */
  busy(tag: number): boolean {
    return this.#members.pending(tag) > 0 || this.#leases.pending(tag) > 0;
  }

  /** Copies a part of a WRITE's data to where it is wanted. */
  copyTo(tag: number, into: Uint8Array, at: number): void {
    this.#checkOpen(tag);
    this.#checkRange(tag, Op.WRITE, at, into.length);
    this.#buffers.copyTo(tag, this.#iod[tag * DESCRIPTOR_WORDS + 1]! * 512, this.done[tag]! * 512 + at, into);
  }

  /** Copies bytes to a part of a READ's data. */
  copyFrom(tag: number, from: Uint8Array, at: number): void {
    this.#checkOpen(tag);
    this.#checkRange(tag, Op.READ, at, from.length);
    this.#buffers.copyFrom(tag, this.#iod[tag * DESCRIPTOR_WORDS + 1]! * 512, this.done[tag]! * 512 + at, from);
  }

  /** The tag's context, filled for its request. */
  contextOf(tag: number, flags: number): TagContext {
    const context = (this.#contexts[tag] ??= new TagContext(this, tag));
    context.fua = (flags & UBLK_IO_F_FUA) !== 0;
    context.noUnmap = (flags & UBLK_IO_F_NOUNMAP) !== 0;
    return context;
  }

  /** The signal of a tag's request; one that is aborted if the request is over. */
  signalOf(tag: number, generation = this.#generations[tag]!): AbortSignal {
    const state = this.states[tag];
    if (this.closed || this.#generations[tag] !== generation || state === IN_KERNEL || state === ANSWERED || state === DEAD)
      return this.#signals.over();
    this.#isRare();
    return this.#signals.of(tag);
  }

  /** A token for the request that a handler looks at. */
  defer(request: UblkRequest): DeferredRequest {
    const { tag } = request;
    this.leaveOpen(tag, OPEN);
    return new DeferredRequest(this.#queue, this, request, this.#generations[tag]!);
  }

  /** The slot for one of the request's own operations. */
  memberSlot(tag: number, index: number): number {
    this.leaveOpen(tag, HELD);
    return this.#members.take(tag, index);
  }

  /** Reads a file into the request's data. */
  readFrom(tag: number, fd: number, fileOffset: number, at: number, length: number, member: number): void {
    this.#checkRange(tag, Op.READ, at, length);
    this.leaveOpen(tag, HELD);
    this.#members.read(tag, member, fd, fileOffset, this.done[tag]! * 512 + at, length);
  }

  /** Writes the request's data to a file. */
  writeTo(tag: number, fd: number, fileOffset: number, rwFlags: number, at: number, length: number, member: number): void {
    this.#checkRange(tag, Op.WRITE, at, length);
    this.leaveOpen(tag, HELD);
    this.#take(tag);
    this.#members.write(tag, member, fd, fileOffset, this.done[tag]! * 512 + at, length, rwFlags);
  }

  /** What the base of an iovec on the request's data counts from. */
  vectorBase(tag: number): number {
    return (this.#buffers.memory?.dataAddress(tag) ?? 0) + this.done[tag]! * 512;
  }

  /** Reads a file into parts of the request's data. */
  readvFrom(tag: number, fd: number, fileOffset: number, vectors: number, count: number, member: number): void {
    this.#checkKind(tag, Op.READ);
    this.leaveOpen(tag, HELD);
    this.#members.readv(tag, member, fd, fileOffset, vectors, count);
  }

  /** Writes parts of the request's data to a file. */
  writevTo(tag: number, fd: number, fileOffset: number, vectors: number, count: number, rwFlags: number, member: number): void {
    this.#checkKind(tag, Op.WRITE);
    this.leaveOpen(tag, HELD);
    this.#take(tag);
    this.#members.writev(tag, member, fd, fileOffset, vectors, count, rwFlags);
  }

  /** Whether operations use the data of a request that is open. */
  get anyBusy(): boolean {
    return this.states.some((state, tag) => isOpen(state) && this.busy(tag));
  }

  /** The request outlives the handler's call: by a token, or by operations of its own. */
  leaveOpen(tag: number, how: number): void {
    const state = this.states[tag]!;
    this.#checkOpen(tag);
    if (state === IN_HANDLER) this.since[tag] = performance.now();
    if (how === OPEN && state !== OPEN) {
      this.deferred++;
      this.#driver.reconsider();
    }
    if (state !== OPEN) this.states[tag] = how;
    this.#driver.kick();
  }

  /** The handler has returned, and the request is not finished: something must be on its way to do that. */
  checkLeftOpen(tag: number): void {
    const state = this.states[tag];
    if (state === IN_HANDLER || (state === HELD && !this.busy(tag))) {
      throw new TypeError("the handler returned without completing, failing or deferring the request, and started no operation for it");
    }
  }

  /** A request that waits for its turn may end without it. */
  waitsNoMore(tag: number): void {
    if (this.states[tag] === WAITING) this.states[tag] = HELD;
  }

  /** The request ends: its tokens and contexts are void from here on. */
  close(tag: number): void {
    this.#checkFinishable(tag);
    if (this.states[tag] === OPEN) this.deferred--;
    this.#leases.end(tag);
    this.selfEnding[tag] = 0;
    this.#generations[tag] = (this.#generations[tag]! + 1) | 0;
  }

  #checkFinishable(tag: number): void {
    if (this.busy(tag)) throw new TypeError("the request has operations in flight on its data: it can be finished after the last of them");
    const state = this.states[tag];
    if (state === IN_KERNEL || state === ANSWERED || state === WAITING || state === DEAD || state === FETCHING)
      throw new TypeError(`tag ${tag} has no open request`);
  }

  #checkOpen(tag: number): void {
    const state = this.states[tag];
    if (state !== IN_HANDLER && state !== OPEN && state !== HELD)
      throw new TypeError("the request is finished already: the kernel may have the next one on its tag");
  }

  // A WRITE's data is in the tag's memory once it was asked for.
  #take(tag: number): void {
    if (this.#memory === undefined && this.#buffers.memory !== undefined) this.bytesOf(tag);
  }

  #checkKind(tag: number, op: number): void {
    const asked = this.#iod[tag * DESCRIPTOR_WORDS]! & 0xff;
    if (asked !== op && !(op === Op.WRITE && asked === Op.ZONE_APPEND)) wrongKind(op);
  }

  #checkRange(tag: number, op: number, at: number, length: number): void {
    const word = tag * DESCRIPTOR_WORDS;
    const have = (this.#iod[word + 1]! - this.done[tag]!) * 512;
    this.#checkKind(tag, op);
    if (!(at >= 0 && length > 0 && at + length <= have)) outside(at, length, have);
  }
}

function wrongKind(op: number): never {
  throw new TypeError(
    op === Op.READ
      ? "readFrom, copyFrom and sink are for READ requests"
      : "writeTo, copyTo and source are for WRITE and ZONE_APPEND requests",
  );
}

function outside(at: number, length: number, have: number): never {
  throw new RangeError(`bytes ${at}..${at + length} lie outside the request of ${have} bytes`);
}
