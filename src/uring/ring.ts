import type { BufferGroup, BufferGroupOptions } from "./buffer-group.ts";
import type { Canceller } from "./canceller.ts";
import { Driver } from "./driver.ts";
import { closedError, type UringError } from "./error.ts";
import type { FeatureName } from "./features.ts";
import { FixedBufferTable } from "./fixed-buffer-table.ts";
import type { Listener } from "./flight-host.ts";
import { Flights, RESERVED } from "./flights.ts";
import { GroupTable } from "./group-table.ts";
import type { OperationHandle } from "./handle.ts";
import type { FixedBuffer } from "./handles.ts";
import { InFlight } from "./in-flight.ts";
import { Mailbox } from "./mailbox.ts";
import { MultishotOperation, Operation } from "./operation.ts";
import { checkInteger, checkKnown } from "./options.ts";
import type { Explanation } from "./plans/explanation.ts";
import { settled } from "./plans/outcome.ts";
import { type Part, Plan } from "./plans/plan.ts";
import type { Prepared } from "./plans/prepared.ts";
import { type PlanOptions, PlanRunner, type PrepareOptions } from "./plans/runner.ts";
import { RawRing } from "./raw-ring.ts";
import type { ResizeOptions } from "./resize.ts";
import { checkRun, type RingOptions, type RunOptions, ringOptions } from "./ring-options.ts";
import type { SendGroup, SendGroupOptions } from "./send-group.ts";
import type { RingRecord } from "./setup.ts";
import { Shots } from "./stream.ts";
import { KernelSupport } from "./support.ts";

/** How long a cancel may be without effect before close sends another: one may have crossed with what it cancels. */
const CANCEL_AGAIN_MS = 100;
/** How long close waits for what it cannot hasten: notifications of zero-copy sends, and what plans do in any case. */
const PATIENCE_MS = 1000;

/** Operations and memory whose ring was closed under them: the kernel may still write to what they pin. */
const ABANDONED = new Set<object>();

/**
 * An io_uring for one thread: describe an operation, `await ring.run(operation)`.
 *
 * Operations that do not fit are queued in order until others complete; nothing is lost to a full queue. The ring keeps the process
 * alive while operations are in flight. Closing cancels them, waits for every CQE, and frees the memory then.
 *
 * @example
 * ```ts
 * import { nop, Ring } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 64 });
 * await Promise.all([ring.run(nop()), ring.run(nop())]);
 * console.log(ring.record.flagNames.includes("SUBMIT_ALL")); // true on 5.18 and newer
 * ```
 */
export class Ring implements AsyncDisposable {
  /** The raw layer: positional writers without allocation. It shares the driver; call {@link Ring.kick} after queueing. */
  readonly raw: RawRing;
  private readonly driver: Driver;
  private readonly kernel: KernelSupport;
  private readonly flights: Flights;
  readonly #owned: boolean;
  readonly #groups: GroupTable;
  readonly #plans: PlanRunner;
  readonly #mailboxes = new Set<Mailbox>();
  readonly #buffers: FixedBufferTable;
  #closing: Promise<void> | undefined;

  private constructor(raw: RawRing, driver: Driver, fixedBuffers: number, owned: boolean) {
    this.raw = raw;
    this.driver = driver;
    this.#owned = owned;
    this.#groups = new GroupTable(raw.register);
    this.flights = new Flights(raw, driver);
    this.#plans = new PlanRunner(this.flights, (operation, begun) => this.refusal(operation, undefined, undefined, begun));
    driver.afterBatch = () => this.flights.admit();
    this.#buffers = new FixedBufferTable(raw.register, fixedBuffers);
    this.kernel = new KernelSupport(raw);
    raw.onFailure = (error) => this.#failed(error);
  }

  /**
   * Sets a ring up (`io_uring_setup(2)`), with the best flags this kernel accepts.
   *
   * @throws UringError EPERM or ENOSYS when io_uring is switched off; EINVAL for a flag that was asked for and does not exist here.
   */
  static async open(options: RingOptions = {}): Promise<Ring> {
    checkKnown("Ring.open", options, ringOptions);
    if (options.fixedBuffers !== undefined) checkInteger("Ring.open", "fixedBuffers", options.fixedBuffers, 0, 16384);
    if (options.fixedFiles !== undefined) checkInteger("Ring.open", "fixedFiles", options.fixedFiles, 0, 1048576);
    const { fixedBuffers = 0, fixedFiles = 0, registerRingFd, registeredWaits, syscalls, ...shape } = options;
    const raw = new RawRing(shape, {
      spareSlots: RESERVED,
      ...(registerRingFd === undefined ? {} : { registerRingFd }),
      ...(registeredWaits === undefined ? {} : { registeredWaits }),
      ...(syscalls === undefined ? {} : { syscalls }),
    });
    let driver: Driver | undefined;
    try {
      if (fixedBuffers > 0) raw.register.sparseBuffers(fixedBuffers);
      if (fixedFiles > 0) raw.register.sparseFiles(fixedFiles);
      driver = new Driver(raw);
      return new Ring(raw, driver, fixedBuffers, true);
    } catch (error) {
      driver?.close();
      raw.close();
      throw error;
    }
  }

  /** Over a raw ring that somebody else drives and closes. @internal */
  static over(raw: RawRing, driver: Driver): Ring {
    return new Ring(raw, driver, 0, false);
  }

  /**
   * Closes without waiting for what is in flight: for a kernel that does not give a command back. Memory that such an operation may
   * still write to is kept for the rest of the process. @internal
   */
  abandon(): void {
    this.flights.ending = true;
    this.#closing ??= Promise.resolve();
    this.driver.close();
    this.#leave(closedError());
    this.raw.close();
  }

  /** What sends its cancels. @internal */
  get cancels(): Canceller {
    return this.flights.cancels;
  }

  /** What was set up, and what the kernel refused. */
  get record(): RingRecord {
    return this.raw.record;
  }

  /** Operations in flight. */
  get inFlight(): number {
    return this.flights.count;
  }

  /**
   * Whether the running kernel has something: an operation, by its opcode (`IORING_REGISTER_PROBE`, 5.6); a flag or register operation,
   * by the kernel's name for it (`IORING_REGISTER_QUERY`, 6.18; before that, and for flags of single operations, by the release).
   */
  supports(what: Operation<unknown> | { readonly opcode: number } | FeatureName): boolean {
    return this.kernel.has(what);
  }

  /**
   * Runs an operation or a plan: resolves to its result, rejects with a {@link UringError}. A multishot operation is iterated.
   */
  run<Item>(operation: MultishotOperation<Item>, options?: RunOptions): AsyncIterableIterator<Item>;
  run<Result>(operation: Operation<Result>, options?: RunOptions): Promise<Result>;
  run<Value, Outcome>(plan: Part<Value, Outcome>, options?: PlanOptions): Promise<Value>;
  run<Result>(operation: Plan<Result, unknown>, options?: RunOptions & PlanOptions): Promise<Result> | AsyncIterableIterator<Result> {
    if (options === undefined && operation instanceof Operation && this.ordinary(operation)) return this.flights.runPlain(operation);
    if (operation instanceof Plan && !(operation instanceof Operation)) return this.#plans.run(operation, options);
    const checked = checkRun(operation, options);
    if (operation instanceof MultishotOperation)
      return new Shots<Result>(operation, (again, listener) => this.#startShots(again, listener, checked), checked.signal, this.raw);
    const { signal, handle } = checked;
    const problem = this.refusal(operation, signal, handle);
    return problem === undefined ? this.flights.run(operation, signal, handle) : Promise.reject(problem);
  }

  /** As {@link Ring.run}, but never rejects: tells how an operation ended ({@link Settled}), and of a plan the same of every part. */
  settle<Outcome>(plan: Plan<unknown, Outcome> & { readonly multishot?: undefined }, options?: RunOptions & PlanOptions): Promise<Outcome> {
    const whole: Plan<unknown, Outcome> = plan;
    if (!(whole instanceof Operation)) return this.#plans.settle(whole, options);
    if (whole instanceof MultishotOperation) throw new TypeError(`settle: '${whole.name}' completes many times; iterate ring.run(...)`);
    return settled(this.run<unknown>(whole, options), options?.signal) as Promise<Outcome>;
  }

  /** How a plan would be carried out on this ring, and why so: what goes out in one submit, and where kernel links are used. */
  explain(plan: Plan<unknown, unknown>, options?: PlanOptions): Explanation {
    return this.#plans.explain(plan, options);
  }

  /** Makes of a plan what runs it again and again, allocated and encoded once: {@link Prepared}. */
  prepare<Value, Outcome>(plan: Part<Value, Outcome>, options?: PrepareOptions): Prepared<Value, Outcome> {
    return this.#plans.prepare(plan, options);
  }

  /** Submits soon what was queued on the raw layer. */
  kick(): void {
    this.driver.kick();
  }

  /** A place where messages of other rings and threads arrive ({@link msgRing}, {@link sendMessage}); it keeps the process alive. */
  mailbox(): Mailbox {
    if (this.raw.failure !== undefined) throw this.raw.failure;
    if (this.flights.ending || this.raw.closed) throw new TypeError("the ring is closed");
    const box = new Mailbox(
      this.raw,
      () => {
        this.driver.microtasksDue = true;
      },
      () => this.#mailboxes.delete(box),
    );
    this.#mailboxes.add(box);
    this.kick();
    return box;
  }

  /**
   * Changes the sizes of the queues (6.13; `taskrun: "defer"`, which is the default), with operations in flight: {@link RingCore.resize}.
   * A RangeError when what is in flight, or a plan that has begun or waits, needs more room than the CQ would have.
   */
  resize(options: ResizeOptions): void {
    this.raw.resize(options, () => this.flights.needed());
    this.driver.kick();
  }

  /** A group of buffers to receive into (`IORING_REGISTER_PBUF_RING`, 5.19). */
  bufferGroup(options: BufferGroupOptions): BufferGroup {
    return this.#groups.receiving(options);
  }

  /** A group of buffers to send from (`IORING_REGISTER_PBUF_RING`; sends take from it since 6.10). */
  sendGroup(options: SendGroupOptions): SendGroup {
    return this.#groups.sending(options);
  }

  /**
   * Registers fresh memory of `length` bytes in the fixed-buffer table (needs `fixedBuffers`). The memory lives as long as the ring.
   */
  fixedBuffer(length: number): FixedBuffer<"memory"> & { readonly bytes: Uint8Array } {
    return this.#buffers.allocate(length);
  }

  /**
   * Cancels what is in flight, waits for every CQE, frees the ring and its memory. Twice is fine.
   *
   * What cannot be hastened is waited for a second: notifications of zero-copy sends, and on an SQPOLL ring what waits because of a
   * drain. Memory that the kernel still uses then is kept for the rest of the process.
   */
  close(): Promise<void> {
    this.flights.ending = true;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** {@link Ring.close}, at the end of an `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #startShots<Item>(operation: Operation<Item>, listener: Listener<Item>, { signal, handle }: RunOptions): InFlight | undefined {
    const problem = this.refusal(operation, signal, handle);
    if (problem !== undefined) {
      listener.reject(problem);
      return undefined;
    }
    const flight = new InFlight(this.flights, true);
    flight.take(operation, signal, handle, listener as Listener<unknown>);
    this.flights.start(flight);
    return flight;
  }

  // Nothing to refuse, and nothing special: what nearly all are.
  private ordinary({ declaration, modifiers }: Operation<unknown>): boolean {
    const { raw } = this;
    return (
      declaration.completions === "one" &&
      declaration.needs === undefined &&
      modifiers.limit === undefined &&
      modifiers.length === undefined &&
      modifiers.flags === 0 &&
      this.kernel.opcode(declaration.opcode) &&
      !this.flights.ending &&
      raw.failure === undefined &&
      !raw.closed
    );
  }

  private refusal(
    operation: Operation<unknown>,
    signal: AbortSignal | undefined,
    handle: OperationHandle | undefined,
    begun = false,
  ): unknown {
    if (signal?.aborted) return signal.reason;
    if (this.raw.failure !== undefined) return this.raw.failure;
    if ((this.flights.ending && !begun) || this.raw.closed) return new TypeError("the ring is closed");
    if (handle?.taken) return new TypeError("run: the handle names an operation that has not ended; make another handle");
    return this.kernel.missing(operation);
  }

  async #close(): Promise<void> {
    const closed = closedError();
    for (const box of this.#mailboxes) box.close();
    this.flights.cancel(closed);
    const since = performance.now();
    let late = false;
    while (this.raw.inFlight > 0 && this.raw.failure === undefined && !(late && this.#lost)) {
      // The raw layer's operations as well; what plans do in any case is given some time.
      if (this.#owned && (late || this.flights.plans.length === 0)) this.flights.cancels.all();
      await this.driver.idle(CANCEL_AGAIN_MS);
      late = performance.now() - since > PATIENCE_MS;
    }
    this.driver.close();
    this.#leave(this.raw.failure ?? closed);
    this.#groups.dispose();
    this.raw.close();
    this.#buffers.dispose();
  }

  // Whether waiting is of no use: for notifications, at a peer's pace; for what only the end of an SQPOLL ring cancels.
  get #lost(): boolean {
    return this.raw.inFlight === this.flights.notifications() || this.flights.cancels.powerless;
  }

  // Nothing will complete any more, but the kernel may still write: what is in flight, and the ring's own memory, is kept for good.
  #leave(error: unknown): void {
    for (const box of this.#mailboxes) box.close();
    for (const flight of this.flights.abandon(error)) ABANDONED.add(flight);
    if (this.raw.failure === undefined && !this.flights.cancels.powerless) return;
    for (const kept of [...this.#buffers.leave(), ...this.#groups.leave()]) ABANDONED.add(kept);
  }

  #failed(error: Error): void {
    this.driver.stop();
    this.#leave(error);
    if (this.#owned) queueMicrotask(() => void this.close());
  }
}
