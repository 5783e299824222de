import { type RingSyscalls, ringSyscalls, sys } from "../ffi/index.ts";
import {
  IORING_ENTER_GETEVENTS,
  IORING_ENTER_REGISTERED_RING,
  IORING_ENTER_SQ_WAIT,
  IORING_ENTER_SQ_WAKEUP,
  IORING_OP_NOP,
  IORING_SETUP_IOPOLL,
  IORING_SETUP_REGISTERED_FD_ONLY,
  IORING_SQ_CQ_OVERFLOW,
  IORING_SQ_NEED_WAKEUP,
  IOSQE_IO_HARDLINK,
  IOSQE_IO_LINK,
} from "./abi.ts";
import { CompletionQueue, FILLER } from "./completion.ts";
import type { RingCoreOptions } from "./core-options.ts";
import { checkEnter, type EnterOptions, enterError, enterFlagsOf, WaitArgument } from "./enter.ts";
import { checkInteger, checkKnown } from "./options.ts";
import { Registrations } from "./register/index.ts";
import { checkResize, type ResizeOptions, resizeMemory } from "./resize.ts";
import { mappingsOf, powerOfTwo, type RingMemory, type RingShape, setupRing } from "./setup.ts";
import { PROMPT } from "./submission.ts";
import { RingTrace } from "./trace/ring-trace.ts";
import { tracing } from "./trace/switch.ts";

export type { CompletionHandler, Completions, TemplateHandler } from "./completion.ts";
export type { RingCoreOptions } from "./core-options.ts";

const EINTR = -4;
const EAGAIN = -11;
const EBUSY = -16;
const ETIME = -62;

/** How often an arm submits and reaps for room before it gives up. */
const ROOM_ATTEMPTS = 1000;
/** How long it waits for the kernel's SQPOLL thread to take SQEs, and how long it looks away in between. */
const POLLER_MS = 5000;
const NAP_NS = 50_000;

/** The ring itself: SQEs in, CQEs out. {@link RawRing} adds a writer for every operation. */
export class RingCore extends CompletionQueue implements Disposable {
  /** Registration calls (`io_uring_register(2)`). */
  readonly register: Registrations;
  /** Address and length of the ring's mappings: what another thread must unmap to destroy the ring. */
  mappings: readonly { address: number; length: number }[];
  /** The system calls this ring uses. */
  readonly syscalls: RingSyscalls;
  /**
   * Submits what is queued and waits (`io_uring_enter(2)`).
   *
   * @param minComplete CQEs to wait for; 0 does not wait.
   * @param timeoutNs the longest wait in nanoseconds (needs EXT_ARG, 5.11); negative for ever.
   * @returns how many SQEs were submitted, or -ETIME / -EINTR when the wait ended without a CQE, or -EAGAIN / -EBUSY when the kernel
   * took none for the moment: reap, and enter again.
   * @throws UringError when enter fails for a reason that will not go away.
   */
  readonly enter: (minComplete: number, timeoutNs?: number) => number;
  /**
   * Submits, waits and runs handlers until something asks for `attention`, or nothing is in flight: the loop of a
   * thread that exists to serve a ring. Answers how many CQEs there were.
   */
  readonly serve: () => number;
  /** Prints what goes in and comes out, with `URING_UBLK_TRACE=1`. @internal */
  readonly trace: RingTrace | undefined;

  #memory: RingMemory;
  private readonly enterFd: number; // what enter is called with: the registered index or the descriptor
  private readonly enterFlags: number; // of every enter
  private plain: boolean; // an enter without a time limit needs no second look: no SQPOLL, and not closed
  readonly #polling: boolean;
  readonly #wait: WaitArgument;
  readonly #templates: number;
  readonly #slots: number | undefined; // asked for by number, or as many as the CQ has entries
  readonly #spareSlots: number;

  constructor(shape: RingShape = {}, options: RingCoreOptions = {}) {
    checkKnown("ring", options, ["templates", "slots", "spareSlots", "registerRingFd", "registeredWaits", "syscalls"]);
    if (options.slots !== undefined) checkInteger("ring", "slots", options.slots, 1, FILLER);
    const syscalls = options.syscalls ?? ringSyscalls();
    const { templates = 0, spareSlots = 0, registeredWaits = false } = options;
    // Waits are registered while nothing can be waiting: before the ring is enabled.
    const { record, ...memory } = setupRing(registeredWaits ? { ...shape, disabled: true } : shape, syscalls, templates);
    super(memory, record, templates, (options.slots ?? record.cqEntries) + spareSlots);
    this.syscalls = syscalls;
    this.#memory = memory;
    this.#templates = templates;
    this.#slots = options.slots;
    this.#spareSlots = spareSlots;
    this.mappings = mappingsOf(memory);
    this.register = new Registrations(record.fd, syscalls, shape.registeredFdOnly ?? false);
    const registered = shape.registeredFdOnly ? record.fd : options.registerRingFd === false ? -1 : this.register.ringFd();
    this.enterFd = registered >= 0 ? registered : record.fd;
    this.plain = !this.polled;
    this.enterFlags = IORING_ENTER_GETEVENTS | (registered >= 0 ? IORING_ENTER_REGISTERED_RING : 0);
    this.#polling = (record.flags & IORING_SETUP_IOPOLL) !== 0;
    this.#wait = new WaitArgument();
    this.enter = this.#makeEnter();
    this.serve = this.#makeServe();
    if (registeredWaits) this.#registerWaits(shape.disabled !== true);
    this.trace = tracing() ? new RingTrace(this) : undefined;
  }

  /** The ring's descriptor (its registered index with `registeredFdOnly`). */
  get fd(): number {
    return this.record.fd;
  }

  /** Arms a slot and answers the generation to put into the SQE; makes room in the SQ by submitting if there is none. */
  arm(slot: number): number {
    this.checkIdle(slot);
    if (this.sqRoom < 1) this.#makeRoom(slot, 1);
    return this.claim(slot);
  }

  /**
   * Makes room for SQEs that must go in one submit, as a link must: after it nothing is submitted until they are queued. Answers
   * whether so many fit into the SQ at all.
   */
  reserve(slot: number, positions: number): boolean {
    if (positions > this.sqEntries - this.#templates) return false;
    if (this.sqRoom < positions) this.#makeRoom(slot, positions);
    return true;
  }

  /** Writes and queues an SQE of 128 bytes (needs a ring with `sqe: 128` or `"mixed"`); `payload` is its cmd[], 20 words at most. */
  prep128(opcode: number, slot: number, fd: number, off: number, addr: number, opFlags: number, payload: Int32Array): void {
    if (this.record.sqe === 64) throw new TypeError("an SQE of 128 bytes needs a ring opened with sqe: 128 or sqe: 'mixed'");
    if (this.record.sqe === "mixed") this.#makeNeighbours(slot);
    this.prep(opcode, slot, fd, off, addr, 0, opFlags, 0, 0, 0);
    this.extend(payload);
  }

  // A closure for the same reason as reap.
  #makeEnter(): RingCore["enter"] {
    return (minComplete, timeoutNs = -1) => {
      if (timeoutNs >= 0 || !this.plain) return this.enterWithCare(minComplete, timeoutNs);
      const result = this.syscalls.enter(this.enterFd, this.publish(), minComplete, this.enterFlags, 0, 0);
      if (result < 0) return this.refused(result);
      this.taken(result);
      return result;
    };
  }

  #makeServe(): () => number {
    return () => {
      let handled = 0;
      while (!this.attention && this.inFlight > 0) {
        this.enter(1 + this.counts[PROMPT]!);
        handled += this.reap();
      }
      return handled;
    };
  }

  private enterWithCare(minComplete: number, timeoutNs: number): number {
    if (this.ended) throw new TypeError("the ring is closed");
    const toSubmit = this.publish();
    let flags = this.enterFlags;
    if (this.polled) {
      if (toSubmit > 0 && (this.sqFlags & IORING_SQ_NEED_WAKEUP) !== 0) flags |= IORING_ENTER_SQ_WAKEUP;
      else if (minComplete === 0 && (this.sqFlags & IORING_SQ_CQ_OVERFLOW) === 0 && !this.#polling) return toSubmit;
    }
    let result: number;
    if (minComplete > 0 && timeoutNs >= 0) {
      const wait = this.#wait;
      wait.limit(timeoutNs);
      result = this.syscalls.enter(this.enterFd, toSubmit, minComplete, flags | wait.enterFlags, wait.argument, wait.size);
    } else {
      result = this.syscalls.enter(this.enterFd, toSubmit, minComplete, flags, 0, 0);
    }
    if (result < 0) return this.refused(result);
    if (!this.polled) this.taken(result);
    return result;
  }

  /** {@link RingCore.enter} with everything the call can be told: a deadline, a minimum wait, no accounting as I/O wait. */
  enterWith(options: EnterOptions): number {
    checkEnter(options, this.record.features);
    if (this.ended) throw new TypeError("the ring is closed");
    const { minComplete = 1, timeoutNs = -1, minWaitUs = 0 } = options;
    const toSubmit = this.publish();
    let flags = this.enterFlags | enterFlagsOf(options);
    if (this.polled && toSubmit > 0 && (this.sqFlags & IORING_SQ_NEED_WAKEUP) !== 0) flags |= IORING_ENTER_SQ_WAKEUP;
    const wait = this.#wait;
    wait.limit(timeoutNs, minWaitUs);
    const result = this.syscalls.enter(this.enterFd, toSubmit, minComplete, flags | wait.enterFlags, wait.argument, wait.size);
    wait.limit(Math.max(timeoutNs, 0));
    if (result < 0) return this.refused(result);
    if (!this.polled) this.taken(result);
    return result;
  }

  /**
   * Changes the sizes of both queues (`IORING_REGISTER_RESIZE_RINGS`, 6.13; rings with taskrun 'defer'), with operations in flight.
   * What is queued is submitted before, and what has completed is handled. Views of {@link SubmissionQueue.words} are empty afterwards.
   *
   * @throws TypeError for a ring of another kind, one with templates, and inside a completion handler.
   * @throws UringError EINVAL before Linux 6.13; EOVERFLOW when what is in the queues does not fit.
   */
  resize(options: ResizeOptions, needed: () => number = () => this.inFlight): void {
    if (this.ended) throw new TypeError("the ring is closed");
    if (this.reaping) throw new TypeError("resize: a batch of completions is being handled; resize after it");
    if (this.#templates > 0) throw new TypeError("resize: a ring with templates keeps its size");
    const sizes = checkResize(this.record, options);
    // The kernel moves what is in the queues as if every entry had the plain size: so there is nothing in them.
    for (let attempt = 0; (this.queued > 0 || this.ready > 0) && attempt < ROOM_ATTEMPTS; attempt++) {
      this.enter(0);
      this.reap();
    }
    const least = needed();
    if (least > powerOfTwo(sizes.cqEntries))
      throw new RangeError(
        `resize: cqEntries is ${sizes.cqEntries}, and ${least} operations are in flight, or of a plan; wait for some of them`,
      );
    const { memory, record } = resizeMemory(this.record, this.register, sizes, options.clamp ?? false);
    const old = this.#memory;
    this.#memory = memory;
    this.mappings = mappingsOf(memory);
    this.exchange(memory, record, (this.#slots ?? record.cqEntries) + this.#spareSlots);
    old.rings.dispose();
    old.sqes.dispose();
  }

  #registerWaits(enable: boolean): void {
    try {
      this.#wait.register(this.register);
      if (enable) this.register.enable();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  private refused(result: number): number {
    if (result === ETIME || result === EINTR || result === EAGAIN || result === EBUSY) return result;
    throw this.#cannotEnter(result);
  }

  /** Unmaps and closes the ring. The kernel cancels what is in flight; nothing waits. Twice is fine. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.noLongerUsual();
    this.plain = false;
    this.attention = true;
    this.register.close();
    this.#memory.rings.dispose();
    this.#memory.sqes.dispose();
    this.#wait[Symbol.dispose]();
    if ((this.record.flags & IORING_SETUP_REGISTERED_FD_ONLY) === 0) sys.close(this.record.fd);
  }

  /** Closes the ring. */
  [Symbol.dispose](): void {
    this.close();
  }

  // An SQE of 128 bytes takes two neighbouring positions of a mixed ring and may not wrap: a NOP fills a last position.
  #makeNeighbours(slot: number): void {
    this.checkIdle(slot);
    for (;;) {
      const last = this.untilWrap === 1;
      const positions = last ? 1 : 2;
      if (this.sqRoom < positions) this.#makeRoom(slot, positions);
      else if (!last) return;
      else this.#fillPosition();
    }
  }

  // In the middle of a chain it is a link of it, or the chain would end there.
  #fillPosition(): void {
    const links = this.queued > 0 ? this.lastFlags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK) : 0;
    this.putFiller(IORING_OP_NOP, FILLER);
    this.setFlags(links);
  }

  #makeRoom(slot: number, positions: number): void {
    if (this.polled) this.#awaitPoller(positions);
    for (let attempt = 0; !this.polled && this.sqRoom < positions && attempt < ROOM_ATTEMPTS; attempt++) {
      this.enter(0);
      if (this.sqRoom < positions) this.reap(); // what completed may be what holds the kernel up
    }
    this.checkIdle(slot); // a handler ran: the slot may be taken, the ring closed
    if (this.sqRoom < positions) throw enterError(EBUSY);
  }

  // The kernel's thread makes the room. SQ_WAIT waits for it only while the whole queue is full; permanent SQEs keep a part of it,
  // so a full rest is waited for in naps.
  #awaitPoller(positions: number): void {
    const until = performance.now() + POLLER_MS;
    while (this.sqRoom < positions && performance.now() < until) {
      this.publish();
      const flags =
        (this.enterFlags & ~IORING_ENTER_GETEVENTS) | ((this.sqFlags & IORING_SQ_NEED_WAKEUP) !== 0 ? IORING_ENTER_SQ_WAKEUP : 0);
      const result = this.syscalls.enter(this.enterFd, 0, 0, flags | IORING_ENTER_SQ_WAIT, 0, 0);
      if (result < 0 && result !== EINTR) throw this.#cannotEnter(result);
      if (this.sqRoom >= positions) return;
      this.#wait.limit(NAP_NS);
      const { enterFlags, argument, size } = this.#wait;
      this.syscalls.enter(this.enterFd, 0, 1, this.enterFlags | enterFlags, argument, size);
    }
  }

  #cannotEnter(errno: number): Error {
    const error = enterError(errno);
    this.fail(error);
    return error;
  }
}
