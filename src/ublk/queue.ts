import type { Arena } from "../ffi/index.ts";
import { answerDoorbell } from "../uring/doorbell.ts";
import { type Driver, type RawRing, Ring } from "../uring/index.ts";
import { UBLK_IO_RES_NEED_GET_DATA } from "./abi.ts";
import { Arrivals, plainRequests } from "./arrivals.ts";
import type { BatchCommands } from "./batch-commands.ts";
import { Extras } from "./extras.ts";
import { Failures } from "./failures.ts";
import { IdleMemory } from "./idle-memory.ts";
import { Op } from "./op.ts";
import { listenTo, openQueue, resourcesOf } from "./open-queue.ts";
import { commandsOf } from "./queue-commands.ts";
import type { QueueEvents, QueueResources, QueueSpec, RequestHandler } from "./queue-spec.ts";
import { DESCRIPTOR_WORDS, UblkRequest } from "./request.ts";
import { failureOf, partOf } from "./results.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import type { QueueCommands, TagCommands } from "./tag-commands.ts";
import { TagMembers } from "./tag-members.ts";
import { ANSWERED, DEAD, FETCHING, IN_HANDLER, IN_KERNEL, REGISTERING, WAITING } from "./tag-states.ts";
import { TagTable } from "./tag-table.ts";
import { ownTags } from "./threads.ts";

const ENODEV = -19;
const EIO = -5;

/**
 * The server side of one hardware queue, or of a thread's share of one: a ring, a permanent SQE per tag, and the loop between them.
 *
 * It belongs to the thread that makes it. Commits and the target's own operations go out together with the wait for the next requests.
 * Nothing is allocated per request while the handler is synchronous and sizes repeat.
 */
export class UblkQueue {
  /** Where and how it is served. */
  readonly spec: QueueSpec;
  // Fields that are declared are written once: to the JIT they are constants.

  /** The queue's ring, raw layer: for operations with slots from {@link UblkRequest.member}. */
  declare readonly raw: RawRing;
  /** The queue's ring, described layer, for handlers that may allocate. */
  readonly ring: Ring;
  /** What moves the ring. */
  declare readonly driver: Driver;
  /** The mapped descriptors of the tags. */
  readonly descriptors: Arena;

  readonly #events: QueueEvents;
  declare private readonly iod: Int32Array;
  declare private readonly states: Uint8Array; // of the tag table
  /** @internal */
  declare readonly tags: TagTable;
  declare private readonly request: UblkRequest;
  declare private readonly commands: QueueCommands;
  declare private readonly single: TagCommands | undefined; // the same, where each tag has its own command
  declare private readonly batch: BatchCommands | undefined; // or they go in batches
  readonly #buffers: TagBuffers;
  readonly #members: TagMembers;
  readonly #extras: Extras;
  readonly #arrivals: Arrivals;
  declare private readonly special: number; // flags of a request that needs care first
  declare private readonly plain: number; // what they are in one that does not; -1: every request does
  declare private readonly copies: boolean; // this thread copies the data of READs
  declare private readonly byHand: Uint8Array | undefined; // by tag, 1: its pages were registered by hand
  private readonly failures: Failures;
  private handler: RequestHandler | undefined;
  /** @internal */
  declare target: RequestHandler["target"]; // of the handler
  #live: number;
  private rare: boolean; // some request has more to its end than a commit: see Extras
  #closed = false;
  #abandoned = false;
  #drained = false;

  constructor(spec: QueueSpec, events: QueueEvents) {
    this.spec = spec;
    this.#events = events;
    const isRare = (): void => {
      this.rare = true;
    };
    // Before it serves, the thread waits for messages: only the event loop brings those.
    const parts = openQueue(spec, () => this.handler === undefined || this.tags.deferred > 0);
    const { raw, driver, descriptors, buffers } = parts;
    this.raw = raw;
    this.driver = driver;
    this.descriptors = descriptors;
    this.iod = descriptors.words();
    const { batch, commands, lending, single } = commandsOf({
      ...parts,
      spec,
      iod: this.iod,
      events,
      queue: this,
      dead: () => this.#allDied(),
    });
    this.batch = batch;
    this.commands = commands;
    this.single = single;
    this.ring = Ring.over(raw, driver);
    listenTo(raw, events, (error) => this.#isBlamed(error));
    this.#buffers = buffers;
    this.#members = new TagMembers(raw, spec, buffers, (tag, result, member) => this.failures.onMember(tag, result, member));
    this.#extras = new Extras({ ring: this.ring, driver, spec, events, lending, buffers });
    this.tags = new TagTable(spec, {
      queue: this,
      iod: this.iod,
      buffers,
      driver,
      members: this.#members,
      leases: this.#extras.leases,
      signals: this.#extras.signals,
      isRare,
    });
    this.states = this.tags.states;
    this.request = new UblkRequest(this, this.tags, this.iod);
    this.failures = new Failures({
      tags: this.tags,
      members: this.#members,
      extras: this.#extras,
      events,
      driver,
      request: this.request,
      fail: (tag, errno) => this.fail(tag, errno),
    });
    this.#live = ownTags(spec).length;
    this.#arrivals = new Arrivals({
      states: this.states,
      iod: this.iod,
      events,
      buffers,
      commands: this.single,
      byHand: this.#extras.byHand,
      driver,
      admit: (tag) => this.#admit(tag),
      end: (tag, result) => this.commit(tag, result),
    });
    this.copies = buffers.delivers;
    this.byHand = lending === undefined ? undefined : buffers.byHand;
    this.rare = this.#extras.any;
    this.#members.beforeUse = this.#extras.byHand.beforeUse(this.iod, isRare);
    [this.special, this.plain] = plainRequests(spec);
  }

  /** What another thread must close and unmap when this one has died. */
  get resources(): QueueResources {
    return resourcesOf({ ...this, buffers: this.#buffers }, this.batch);
  }

  /** Tags that the kernel may still send requests on, or whose request is open. */
  get live(): number {
    return this.#live;
  }

  /** Whether everything is unmapped and closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Fetches the tags (FETCH_REQ, FETCH_IO_CMDS) and starts to serve. */
  start(handler: RequestHandler): void {
    this.take(handler, []);
    this.commands.fetchAll();
    const { memory } = this.#buffers;
    if (memory !== undefined && !this.spec.lockMemory) new IdleMemory(this.raw, this.driver, memory, this.states).start();
    this.driver.kick();
  }

  /** Calls `rung` whenever a pipe or socket has something to read: how another thread reaches one that blocks in enter. */
  doorbell(fd: number, rung: () => void): void {
    answerDoorbell(this.raw, this.driver, fd, rung);
  }

  /** Fails with EIO every request that has been open for `ms` or longer, after aborting its signal and cancelling its operations. */
  refuse(ms: number): void {
    this.failures.abortSince(performance.now() - ms);
    this.driver.kick();
  }

  /** From now on requests are this handler's; those on the tags have waited. @internal */
  take(handler: RequestHandler, tags: readonly number[]): void {
    this.handler = handler;
    this.target = handler.target;
    this.failures.completed = handler.completed;
    for (const tag of tags) this.#serveSoon(tag);
  }

  /** Whether it was closed while operations of its requests were in flight: memory they use must not be given back. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  /** Unmaps and closes all. The kernel takes back what was open. Twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.tags.closed = true;
    this.#abandoned = this.ring.inFlight > 0 || this.tags.anyBusy;
    this.#extras.signals.abortAll();
    this.descriptors.dispose();
    this.ring.abandon(); // stops the driver and closes the ring, before the buffers: the kernel may write to them until now
    this.#buffers.dispose(this.#abandoned);
    this.batch?.dispose();
  }

  // ---- how requests end

  /** Whether the request was completed or failed within the handler's call. @internal */
  isFinished(tag: number): boolean {
    const state = this.states[tag];
    return state === IN_KERNEL || state === ANSWERED || state === WAITING;
  }

  /** The request ends with an operation of the described layer, which uses its data: nothing else may end it before. @internal */
  endsByItself(tag: number): void {
    this.tags.selfEnding[tag] = 1;
  }

  /** Success, with so many bytes of a READ or WRITE. @internal */
  finish(tag: number, op: number, length: number, bytes: number): void {
    const done = bytes === length ? length : partOf(op, bytes, length, this.spec.blockSize);
    if (done === length) this.finishWhole(tag);
    else if (done === 0) this.commit(tag, EIO);
    else this.#goOn(tag, done);
  }

  /** Success with the whole length. @internal */
  finishWhole(tag: number): void {
    this.commit(tag, this.wholeOf(tag));
  }

  /** @internal */
  fail(tag: number, errno: number): void {
    this.commit(tag, failureOf(this.iod[tag * DESCRIPTOR_WORDS]! & 0xff, errno));
  }

  /** An open request fails, when nothing uses its data any more. @internal */
  failWhenFree(tag: number, error: unknown): void {
    this.failures.fail(tag, error);
  }

  /** Reports a request's error. @internal */
  report(error: unknown, op: number, offset: number, length: number): void {
    this.#events.requestError(error, op, offset, length);
  }

  // ---- the loop

  // Small functions and few: the JIT inlines small ones only, and no more than four deep. What a handler completes in its call is only
  // noted there, and committed here.

  /** A tag's command completed: a request arrived, or there will be none. @internal */
  completed(result: number, tag: number): void {
    if (result === 0 && (this.iod[tag * DESCRIPTOR_WORDS]! & this.special) === this.plain) this.handle(tag);
    else this.completedUnusually(result, tag);
    this.sendIfAnswered(tag);
  }

  private completedUnusually(result: number, tag: number): void {
    if (result === ENODEV) this.#died(tag);
    else if (result === 0 || result === UBLK_IO_RES_NEED_GET_DATA) this.#arrivals.arrived(tag, result);
    else this.#rejected(tag, result);
  }

  #admit(tag: number): void {
    if (this.#closed) return;
    const { turns } = this.#extras;
    if (turns === undefined || turns.enter(tag)) this.serve(tag);
    else {
      this.states[tag] = WAITING;
      this.tags.since[tag] = performance.now();
    }
  }

  private serve(tag: number): void {
    try {
      this.handle(tag);
    } catch (error) {
      this.failures.threw(tag, error);
    }
    this.sendIfAnswered(tag);
  }

  // What the target throws ends up in failures.threw(), by way of the ring or of serve().
  private handle(tag: number): void {
    const request = this.request;
    request.tag = tag;
    this.states[tag] = IN_HANDLER;
    const answer = this.target.handle(request);
    if (answer !== undefined || this.states[tag] !== ANSWERED) this.goesOn(request, answer);
    request.tag = -1;
  }

  private sendIfAnswered(tag: number): void {
    if (this.states[tag] === ANSWERED) this.send(tag, this.wholeOf(tag));
  }

  private wholeOf(tag: number): number {
    const at = tag * DESCRIPTOR_WORDS;
    return (this.iod[at]! & 0xff) <= Op.WRITE ? this.iod[at + 1]! * 512 : this.tags.wholeOf(tag);
  }

  private readonly send = (tag: number, result: number): void => {
    const told = this.copies ? this.#extras.deliver(tag, this.iod[tag * DESCRIPTOR_WORDS]! & 0xff, result) : result;
    if (this.rare) this.#endRare(tag);
    if (this.byHand !== undefined && this.byHand[tag] === 1) this.#extras.byHand.release(tag);
    this.states[tag] = IN_KERNEL;
    this.tags.done[tag] = 0;
    if (this.single === undefined) this.batch!.commit(tag, told);
    else {
      this.single.setResult(tag, told);
      this.raw.armTemplate(tag);
    }
    this.driver.kick();
  };

  // The handler's answer ends the request, or a token or an operation of its own.
  private goesOn(request: UblkRequest, answer: unknown): void {
    const { tag } = request;
    if (answer !== undefined) this.handler!.answered(request, answer);
    if (!this.isFinished(tag)) this.tags.checkLeftOpen(tag);
  }

  private commit(tag: number, result: number): void {
    if (this.states[tag] !== IN_HANDLER) this.tags.close(tag);
    if (this.rare && this.#extras.byHand.keeps(tag, result)) this.states[tag] = REGISTERING;
    else this.send(tag, result);
  }

  // ---- what is rare

  #endRare(tag: number): void {
    const next = this.#extras.end(tag);
    this.rare = this.#extras.any;
    if (next >= 0) this.#serveSoon(next);
  }

  // In a turn of its own: many synchronous requests must not become a deep stack.
  #serveSoon(tag: number): void {
    queueMicrotask(() => {
      if (this.states[tag] === WAITING && !this.#closed) this.serve(tag);
    });
    this.driver.microtasksDue = true;
  }

  // The kernel is not asked to send the rest: Linux 7.3 takes a part of a WRITE for the whole.
  #goOn(tag: number, done: number): void {
    this.tags.close(tag);
    this.tags.done[tag]! += done / 512;
    this.states[tag] = WAITING;
    this.tags.since[tag] = performance.now();
    this.#serveSoon(tag);
  }

  #died(tag: number): void {
    this.states[tag] = DEAD;
    this.#live--;
    if (this.#live > 0 || this.#drained) return;
    this.#drained = true;
    this.#events.drained();
  }

  // A batched queue's requests are over.
  #allDied(): void {
    for (const [tag, state] of this.states.entries()) if (state === IN_KERNEL || state === FETCHING) this.#died(tag);
  }

  // The kernel refused a command. A commit's SQE is written anew and repeated.
  #rejected(tag: number, result: number): void {
    const error = this.#extras.refusals.of(this.states[tag]!, tag, result);
    this.rare = true;
    if (error === undefined) this.commands.repeat(tag);
    else this.#events.failed(error);
  }

  // What was thrown while a request was looked at is that request's failure.
  #isBlamed(error: unknown): boolean {
    const { tag } = this.request;
    if (tag < 0) return false;
    this.failures.threw(tag, error);
    this.sendIfAnswered(tag);
    return true;
  }
}
