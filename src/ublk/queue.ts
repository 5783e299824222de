import { Arena, PAGE_SIZE, PROT_READ, sys } from "../ffi/index.ts";
import { Driver, POLLIN, RawRing, Ring } from "../uring/index.ts";
import * as abi from "./abi.ts";
import { UblkError } from "./error.ts";
import type { QueueEvents, QueueResources, QueueSpec, RequestHandler } from "./queue-spec.ts";
import { DESCRIPTOR_WORDS, DeferredRequest, Op, type RequestBuffer, TagContext, UblkRequest } from "./request.ts";
import { Serializer } from "./serializer.ts";
import { TagBuffers } from "./tag-buffers.ts";
import { CHAR_FILE, TagCommands } from "./tag-commands.ts";
import { TagMembers } from "./tag-members.ts";

const ENODEV = -19;
const EIO = -5;
const EOPNOTSUPP = -95;
const STRIDE = Math.ceil((abi.UBLK_MAX_QUEUE_DEPTH * DESCRIPTOR_WORDS * 4) / PAGE_SIZE) * PAGE_SIZE;
const SPARE_SLOTS = 32;
const REJECTIONS = 3;

/** A tag's place in its life. */
const IN_KERNEL = 0;
const IN_HANDLER = 1;
const OPEN = 2; // deferred
const WAITING = 3; // serialized behind another
const DEAD = 4;
const REGISTERING = 5; // its pages are being registered by hand
const FETCHING = 6; // FETCH_REQ is on its way; no request came yet
const HELD = 7; // operations of its own

/** The most slots a ring can have: its CQ's limit. */
export const SLOTS_MAX = 65536;

const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(n));

/**
 * The server side of one hardware queue: a ring, a permanent SQE per tag, and the loop between them.
 *
 * It belongs to the thread that makes it (the kernel remembers the thread that fetched a tag). A commit is two stores; commits and
 * the target's own operations go out together with the wait for the next requests. Nothing is allocated per request as long as
 * the handler is synchronous and sizes repeat.
 */
export class UblkQueue {
  /** Where and how it is served. */
  readonly spec: QueueSpec;
  /** The queue's ring, raw layer: for operations with slots from {@link UblkRequest.member}. */
  readonly raw: RawRing;
  /** The queue's ring, described layer, for handlers that may allocate. */
  readonly ring: Ring;
  /** What moves the ring. */
  readonly driver: Driver;
  /** The mapped descriptors of the tags. */
  readonly descriptors: Arena;
  /** Requests that arrived. */
  requests = 0;

  readonly #buffers: TagBuffers;
  readonly #special: boolean; // a request needs a look before it is served
  readonly #commands: TagCommands;
  readonly #iod: Int32Array;
  readonly #request: UblkRequest;
  readonly #events: QueueEvents;
  readonly #states: Uint8Array;
  readonly #generations: Int32Array;
  readonly #members: TagMembers;
  readonly #serializer: Serializer | undefined;
  readonly #rejections = new Map<number, number>(); // commits the kernel refused, by tag
  readonly #failLater = new Map<number, unknown>(); // requests that fail when the last of their operations is through
  readonly #selfEnding: Uint8Array; // 1: the request ends when an operation of the described layer does, and not before
  readonly #since: Float64Array; // when the request was left open
  readonly #contexts: (TagContext | undefined)[];
  readonly #aborts = new Map<number, AbortController>();
  #handler: RequestHandler | undefined;
  #live: number;
  #deferred = 0; // requests that a token ends
  #rare = false; // some request has more to its end than a commit: a signal, pages registered by hand, a refused commit, a turn
  #closed = false;
  #abandoned = false;
  #drained = false;

  constructor(spec: QueueSpec, events: QueueEvents) {
    const { depth, members } = spec;
    this.spec = spec;
    this.#events = events;
    const ordinary = Math.min(depth * members, 4096) + SPARE_SLOTS;
    const slots = slotsOf(spec);
    const entries = Math.min(powerOfTwo(depth + ordinary), 32768);
    this.raw = new RawRing(
      { entries, cqEntries: Math.min(Math.max(powerOfTwo(slots), entries), 65536), sqArray: true },
      { templates: depth },
    );
    let buffers: TagBuffers | undefined;
    let descriptors: Arena | undefined;
    try {
      buffers = new TagBuffers(spec);
      this.raw.register.sparseFiles(1);
      this.raw.register.updateFiles(CHAR_FILE, [spec.charFd]);
      if (buffers.tableSlots > 0) this.raw.register.sparseBuffers(buffers.tableSlots);
      // The stride is fixed and the length exact: anything else silently maps another queue, or fails.
      const bytes = Math.ceil((depth * DESCRIPTOR_WORDS * 4) / PAGE_SIZE) * PAGE_SIZE;
      descriptors = Arena.map(spec.charFd, spec.queue * STRIDE, bytes, PROT_READ);
      this.driver = new Driver(this.raw, { serving: spec.serving, synchronous: spec.synchronous, awaiting: () => this.#awaiting() });
    } catch (error) {
      this.raw.close();
      buffers?.dispose(false);
      descriptors?.dispose();
      throw error;
    }
    this.#buffers = buffers;
    this.#commands = new TagCommands(this.raw, spec, buffers);
    this.descriptors = descriptors;
    this.#iod = descriptors.words();
    this.#request = new UblkRequest(this, this.#iod);
    this.#states = new Uint8Array(depth).fill(FETCHING);
    this.#generations = new Int32Array(depth);
    this.#selfEnding = new Uint8Array(depth);
    this.#since = new Float64Array(depth);
    this.#contexts = new Array<TagContext | undefined>(depth).fill(undefined);
    this.#live = depth;
    this.raw.allocateTemplates(depth, (result, _flags, tag) => this.#onTag(result, tag));
    this.ring = Ring.over(this.raw, this.driver);
    const ringFailed = this.raw.onFailure;
    this.raw.onFailure = (error) => {
      ringFailed?.(error);
      this.#events.broken(error);
    };
    this.raw.onHandlerError = (error) => this.#events.failed(error instanceof Error ? error : new Error(String(error)));
    this.#members = new TagMembers(this.raw, spec, buffers, (tag, result, member) => this.#onMember(tag, result, member));
    this.#serializer = spec.serialize ? new Serializer() : undefined;
    this.#rare = spec.serialize;
    this.#special = spec.serialize || !buffers.inMemory;
  }

  /** What another thread must close and unmap when this one has died. */
  get resources(): QueueResources {
    const { address, length } = this.descriptors;
    return { fds: [this.raw.fd, this.driver.eventfd], mappings: [{ address, length }, ...this.#buffers.mappings, ...this.raw.mappings] };
  }

  /** Tags that the kernel may still send requests on, or whose request is open. */
  get live(): number {
    return this.#live;
  }

  /** Requests that are open: deferred, or with operations in flight. */
  get open(): number {
    let open = 0;
    for (const state of this.#states) if (isOpen(state)) open++;
    return open;
  }

  /** Whether everything is unmapped and closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Fetches every tag (FETCH_REQ) and starts to serve. */
  start(handler: RequestHandler): void {
    this.#handler = handler;
    for (let tag = 0; tag < this.spec.depth; tag++) this.#commands.fetch(tag);
    // The kernel must have read every FETCH before its SQE turns into a COMMIT.
    while (this.raw.queued > 0) this.raw.enter(0);
    for (let tag = 0; tag < this.spec.depth; tag++) this.#commands.turnIntoCommit(tag);
    this.driver.kick();
  }

  /** Calls `ring` in this thread whenever the eventfd is signalled: how another thread reaches one that blocks in enter. */
  doorbell(eventfd: number, ring: () => void): void {
    const counter = new Uint8Array(new ArrayBuffer(8));
    const slot = this.raw.allocate((result) => {
      if (this.#closed || result < 0) return;
      sys.read(eventfd, counter);
      this.raw.poll(slot, eventfd, POLLIN);
      this.driver.yield();
      ring();
    });
    this.raw.poll(slot, eventfd, POLLIN);
    this.driver.kick();
  }

  /** Fails with EIO every request that has been open for `ms` or longer, after aborting its signal and cancelling its operations. */
  refuse(ms: number): void {
    const latest = performance.now() - ms;
    for (let tag = 0; tag < this.spec.depth; tag++) {
      if (isOpen(this.#states[tag]!) && this.#since[tag]! <= latest) this.#abort(tag);
    }
    this.driver.kick();
  }

  /** Whether the queue was closed while operations of its requests were in flight: memory they use must not be given back. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  /** Unmaps and closes everything of this queue. The kernel takes back what was open. Twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#abandoned = this.ring.inFlight > 0 || this.#states.some((state, tag) => state === HELD && this.#members.pending(tag) > 0);
    for (const abort of this.#aborts.values()) abort.abort(gone(this.spec.device));
    this.#aborts.clear();
    this.descriptors.dispose();
    this.ring.abandon(); // stops the driver and closes the ring, before the buffers: the kernel may write to them until now
    this.#buffers.dispose(this.#abandoned);
  }

  // ---- what requests call --------------------------------------------------------------------------------------------------

  /** @internal */
  bytesOf(tag: number): Uint8Array<ArrayBuffer> {
    if ((this.#iod[tag * DESCRIPTOR_WORDS]! & 0xff) > Op.WRITE) throw new TypeError("only READ and WRITE requests carry data");
    return this.#buffers.bytes(tag, this.#iod[tag * DESCRIPTOR_WORDS + 1]! * 512);
  }

  /** @internal */
  bufferOf(tag: number, op: number): RequestBuffer {
    return this.#buffers.buffer(tag, op, this.#iod[tag * DESCRIPTOR_WORDS + 1]! * 512);
  }

  /** @internal */
  contextOf(tag: number, flags: number): TagContext {
    const context = (this.#contexts[tag] ??= new TagContext(this, tag));
    context.fua = (flags & abi.UBLK_IO_F_FUA) !== 0;
    context.noUnmap = (flags & abi.UBLK_IO_F_NOUNMAP) !== 0;
    return context;
  }

  /** @internal */
  isOpen(tag: number, generation: number): boolean {
    const state = this.#states[tag];
    return !this.#closed && this.#generations[tag] === generation && (state === OPEN || state === HELD || state === IN_HANDLER);
  }

  /** @internal */
  signalOf(tag: number, generation = this.#generations[tag]!): AbortSignal {
    if (this.#closed || this.#generations[tag] !== generation || this.#states[tag] === IN_KERNEL || this.#states[tag] === DEAD) {
      return AbortSignal.abort(gone(this.spec.device));
    }
    let abort = this.#aborts.get(tag);
    if (abort === undefined) this.#aborts.set(tag, (abort = new AbortController()));
    this.#rare = true;
    return abort.signal;
  }

  /** Whether the request was completed or failed within the handler's call. @internal */
  isFinished(tag: number): boolean {
    return this.#states[tag] === IN_KERNEL;
  }

  /** @internal */
  defer(tag: number): DeferredRequest {
    this.#leaveOpen(tag, OPEN);
    const { op, offset, length } = this.#request;
    return new DeferredRequest(this, tag, this.#generations[tag]!, op, offset, length);
  }

  /** The request ends with an operation of the described layer, which uses its data: nothing else may end it before. @internal */
  endsByItself(tag: number): void {
    this.#selfEnding[tag] = 1;
  }

  /** @internal */
  memberSlot(tag: number, index: number): number {
    this.#leaveOpen(tag, HELD);
    return this.#members.take(tag, index);
  }

  /** @internal */
  readFrom(tag: number, fd: number, fileOffset: number, at: number, length: number, member: number): void {
    this.#checkRange(tag, Op.READ, at, length);
    this.#leaveOpen(tag, HELD);
    this.#members.read(tag, member, fd, fileOffset, at, length);
  }

  /** @internal */
  writeTo(tag: number, fd: number, fileOffset: number, rwFlags: number, at: number, length: number, member: number): void {
    this.#checkRange(tag, Op.WRITE, at, length);
    this.#leaveOpen(tag, HELD);
    this.#members.write(tag, member, fd, fileOffset, at, length, rwFlags);
  }

  /** Success, turned into what the driver wants to hear (UBLK result rules). @internal */
  finish(tag: number, op: number, length: number, bytes: number): void {
    if (op !== Op.READ && op !== Op.WRITE) this.#commit(tag, 0);
    else if (bytes === length) this.#commit(tag, bytes);
    else if (bytes > length || bytes < 0 || !Number.isInteger(bytes)) {
      throw new RangeError(`complete(${bytes}): the request has ${length} bytes; use fail(errno) for errors`);
    } else {
      // 0 would make the kernel send a WRITE again for ever; a part of a block cannot be completed.
      const whole = bytes - (bytes % this.spec.blockSize);
      this.#commit(tag, whole > 0 ? whole : EIO);
    }
  }

  /** Success with the whole length. @internal */
  finishWhole(tag: number): void {
    const at = tag * DESCRIPTOR_WORDS;
    const op = this.#iod[at]! & 0xff;
    this.#commit(tag, op === Op.READ || op === Op.WRITE ? this.#iod[at + 1]! * 512 : 0);
  }

  /** @internal */
  fail(tag: number, errno: number): void {
    if (!Number.isInteger(errno) || errno >= 0 || errno < -4095)
      throw new RangeError(`fail(${errno}): it takes a negative errno such as -5 (EIO)`);
    // The kernel reports a FLUSH that is "not supported" as a success: durability would be lost without a word.
    const flush = (this.#iod[tag * DESCRIPTOR_WORDS]! & 0xff) === Op.FLUSH;
    this.#commit(tag, flush && errno === EOPNOTSUPP ? EIO : errno);
  }

  /** Reports a request's error to whoever listens. @internal */
  report(error: unknown, op: number, offset: number, length: number): void {
    this.#events.requestError(error, op, offset, length);
  }

  // ---- the loop ------------------------------------------------------------------------------------------------------------

  // The functions of this path are small on purpose: the JIT inlines only those, and a request passes through all of them.
  #onTag(result: number, tag: number): void {
    if (result !== 0 || this.#special) this.#onTagWithCare(result, tag);
    else {
      this.requests++;
      this.#serve(tag);
    }
  }

  #onTagWithCare(result: number, tag: number): void {
    if (result === ENODEV) this.#died(tag);
    else if (result !== 0) this.#rejected(tag, result);
    else {
      this.requests++;
      if (!this.#buffers.inMemory && (this.#iod[tag * DESCRIPTOR_WORDS]! & abi.UBLK_IO_F_NEED_REG_BUF) !== 0) this.#registerByHand(tag);
      else this.#admit(tag);
    }
  }

  #admit(tag: number): void {
    if (this.#serializer === undefined || this.#serializer.enter(tag)) this.#serve(tag);
    else {
      this.#states[tag] = WAITING;
      this.#since[tag] = performance.now();
    }
  }

  #serve(tag: number): void {
    this.#states[tag] = IN_HANDLER;
    const request = this.#request;
    request.tag = tag;
    try {
      this.#handler!.handle(request);
      if (this.#states[tag] !== IN_KERNEL) this.#leftOpen(tag);
    } catch (error) {
      this.#threw(tag, error);
    }
    request.tag = -1;
  }

  // The request outlives the handler's call: by a token, or by operations of its own.
  #leaveOpen(tag: number, how: number): void {
    const state = this.#states[tag]!;
    if (state === IN_HANDLER) this.#since[tag] = performance.now();
    else if (state !== OPEN && state !== HELD)
      throw new TypeError("the request is finished already: the kernel may have the next one on its tag");
    if (how === OPEN && state !== OPEN) {
      this.#deferred++;
      this.driver.reconsider();
    }
    if (state !== OPEN) this.#states[tag] = how;
    this.driver.kick();
  }

  // The handler has returned and the request is not finished.
  #leftOpen(tag: number): void {
    const state = this.#states[tag];
    if (state === IN_HANDLER || (state === HELD && this.#members.pending(tag) === 0)) {
      throw new TypeError("the handler returned without completing, failing or deferring the request, and started no operation for it");
    }
  }

  #load(tag: number): UblkRequest {
    this.#request.tag = tag;
    return this.#request;
  }

  // A throw fails its own request and nothing else.
  #threw(tag: number, error: unknown): void {
    const { op, offset, length } = this.#load(tag);
    const state = this.#states[tag];
    if (state === IN_HANDLER || ((state === OPEN || state === HELD) && this.#members.pending(tag) === 0)) {
      this.#request.fail(error);
    } else if (state === OPEN || state === HELD) {
      // Its own operations still run on its data: the request ends when the last of them does.
      this.#failLater.set(tag, error);
    }
    this.#events.requestError(error, op, offset, length);
  }

  #onMember(tag: number, result: number, member: number): void {
    if (this.#failLater.size > 0 && this.#failLater.has(tag)) {
      if (this.#members.pending(tag) > 0) return;
      const error = this.#failLater.get(tag);
      this.#failLater.delete(tag);
      this.#load(tag).fail(error);
      this.#request.tag = -1;
      return;
    }
    const request = this.#load(tag);
    try {
      this.#handler!.completed!(request, result, member);
      if (this.#states[tag] === HELD && this.#members.pending(tag) === 0)
        throw new TypeError("completed() returned without finishing the request or starting another operation");
    } catch (error) {
      this.#threw(tag, error);
    }
    request.tag = -1;
  }

  #commit(tag: number, result: number): void {
    if (this.#rare || this.#states[tag] !== IN_HANDLER) this.#closeWithCare(tag);
    this.#states[tag] = IN_KERNEL;
    this.#commands.commit(tag, result);
    this.driver.kick();
  }

  #closeWithCare(tag: number): void {
    if (this.#states[tag] !== IN_HANDLER) this.#closeOpen(tag);
    this.#endRare(tag);
    if (this.#serializer !== undefined) this.#next(this.#serializer.leave(tag));
  }

  // Tokens and contexts of the request are void from here on.
  #closeOpen(tag: number): void {
    this.#checkOpen(tag);
    if (this.#states[tag] === OPEN) this.#deferred--;
    this.#selfEnding[tag] = 0;
    this.#generations[tag] = (this.#generations[tag]! + 1) | 0;
  }

  #endRare(tag: number): void {
    this.#aborts.delete(tag);
    this.#rejections.delete(tag);
    if (this.#buffers.isByHand(tag)) this.#unregister(tag);
    this.#rare = this.#serializer !== undefined || this.#aborts.size > 0 || this.#rejections.size > 0 || this.#buffers.byHandCount > 0;
  }

  #checkOpen(tag: number): void {
    if (this.#members.pending(tag) > 0)
      throw new TypeError("the request has operations of its own in flight: it can be finished after the last of them");
    if (this.#states[tag] === IN_KERNEL || this.#states[tag] === DEAD || this.#states[tag] === FETCHING)
      throw new TypeError(`tag ${tag} has no open request`);
  }

  // In a turn of its own: a long queue of synchronous requests must not become a deep stack.
  #next(tag: number): void {
    if (tag < 0) return;
    queueMicrotask(() => {
      if (this.#states[tag] === WAITING && !this.#closed) this.#serve(tag);
    });
    this.driver.microtasksDue = true;
  }

  #abort(tag: number): void {
    this.#aborts.get(tag)?.abort(gone(this.spec.device));
    if (!isOpen(this.#states[tag]!)) return; // the abort made its handler finish it
    // What runs on the request's data ends by itself, cancelled or through, and ends the request with it.
    if (this.#members.pending(tag) > 0) this.#members.cancel(tag);
    else if (this.#selfEnding[tag] === 0) {
      this.#serializer?.forget(tag);
      this.#commit(tag, EIO);
    }
  }

  #died(tag: number): void {
    this.#states[tag] = DEAD;
    this.#live--;
    if (this.#live > 0 || this.#drained) return;
    this.#drained = true;
    this.#events.drained();
  }

  // The kernel refused a command: the request is still ours, and a client waits for it. Its SQE is written anew and repeated.
  #rejected(tag: number, result: number): void {
    if (this.#states[tag] === FETCHING) {
      this.#events.failed(
        new UblkError({ command: "FETCH_REQ", device: this.spec.device, errno: result, subject: `queue ${this.spec.queue} tag ${tag}` }),
      );
      return;
    }
    const times = (this.#rejections.get(tag) ?? 0) + 1;
    this.#rejections.set(tag, times);
    this.#rare = true;
    if (times > REJECTIONS) {
      this.#events.failed(
        new UblkError({
          command: "COMMIT_AND_FETCH_REQ",
          device: this.spec.device,
          errno: result,
          subject: `queue ${this.spec.queue} tag ${tag}`,
        }),
      );
      return;
    }
    this.#commands.repeat(tag);
  }

  // ---- buffers -------------------------------------------------------------------------------------------------------------

  #checkRange(tag: number, op: number, at: number, length: number): void {
    const word = tag * DESCRIPTOR_WORDS;
    const have = this.#iod[word + 1]! * 512;
    if ((this.#iod[word]! & 0xff) !== op)
      throw new TypeError(op === Op.READ ? "readFrom is for READ requests" : "writeTo is for WRITE requests");
    if (!(at >= 0 && length > 0 && at + length <= have))
      throw new RangeError(`bytes ${at}..${at + length} lie outside the request of ${have} bytes`);
  }

  // AUTO_BUF_REG could not register (the slot was taken, memory was short): do it by hand, into the table's second half.
  #registerByHand(tag: number): void {
    this.#states[tag] = REGISTERING;
    const slot = this.raw.allocate((result) => {
      this.raw.release(slot);
      if (result < 0) {
        this.#events.requestError(
          new UblkError({ command: "REGISTER_IO_BUF", device: this.spec.device, errno: result }),
          this.#iod[tag * DESCRIPTOR_WORDS]! & 0xff,
          0,
          0,
        );
        this.#commit(tag, result);
        return;
      }
      this.#buffers.setByHand(tag, true);
      this.#rare = true;
      this.#admit(tag);
    });
    this.#commands.bufferCommand(slot, abi.UBLK_U_IO_REGISTER_IO_BUF, tag);
  }

  // Queued in front of the commit: the kernel ends the request when both are through.
  #unregister(tag: number): void {
    this.#buffers.setByHand(tag, false);
    const slot = this.raw.allocate((result) => {
      this.raw.release(slot);
      if (result < 0) this.#events.failed(new UblkError({ command: "UNREGISTER_IO_BUF", device: this.spec.device, errno: result }));
    });
    this.#commands.bufferCommand(slot, abi.UBLK_U_IO_UNREGISTER_IO_BUF, tag);
  }

  #awaiting(): boolean {
    // Before it serves, the thread waits for messages: only the event loop brings those.
    return this.#handler === undefined || this.#deferred > 0;
  }
}

const gone = (device: number): UblkError =>
  new UblkError({ command: "stop", device, errno: EIO, hint: "the device is stopping and does not wait for this request any longer" });

/** Whether a request is left open in this state. */
const isOpen = (state: number): boolean => state === OPEN || state === HELD || state === WAITING;

/** Slots that a queue's ring needs: tags, their operations, registrations by hand, and some for the thread. */
export function slotsOf({ depth, members, mode }: Pick<QueueSpec, "depth" | "members" | "mode">): number {
  return depth * (1 + members) + (mode === "copy" ? 0 : depth * 2) + SPARE_SLOTS * 2;
}
