import { EventEmitter } from "node:events";
import { sys } from "../ffi/index.ts";
import { explainMode, type ModeExplanation } from "./choose-mode.ts";
import type { DataMode } from "./data-mode.ts";
import { DeviceReports } from "./device-reports.ts";
import type { DeviceEvents, DeviceStateName, Target } from "./device-types.ts";
import { paramsOf } from "./geometry.ts";
import type { DeviceInfo } from "./info.ts";
import { lifeline } from "./lifeline.ts";
import { TIMER_MAX, withLimit } from "./limits.ts";
import { type DeviceParts, makeDevice } from "./make-device.ts";
import { blockNode, blockPath, charPath } from "./nodes.ts";
import type { DiskParams } from "./params.ts";
import { removeDevice, removeNow } from "./removal.ts";
import { Resizer } from "./resizer.ts";
import { checkServeOptions, type ServeOptions } from "./serve-options.ts";
import { servingPlan } from "./serving-plan.ts";
import { ServingThreads } from "./serving-threads.ts";
import { SharedMemories } from "./shared-memories.ts";
import type { SharedMemory } from "./shared-memory.ts";
import type { ShareOptions } from "./shared-region.ts";
import { noteState, removeState } from "./state-file.ts";
import { stopServed, stuck } from "./stop-device.ts";
import { checkStop, type StopOptions } from "./stop-options.ts";
import { stopUnused } from "./stop-unused.ts";
import type { Size } from "./target.ts";
import type { QueueThread } from "./thread.ts";
import { Watchdog } from "./watchdog.ts";
import { writeBackFirst } from "./write-back-first.ts";

const REFUSE_MS = 100;
const ANSWER_MS = 2_000;

/**
 * One ublk device and everything that serves it, from ADD_DEV to DEL_DEV.
 *
 * Made by {@link serve}. It keeps the process alive until it is stopped, as `Bun.serve` does. Requests are served on the calling thread
 * (closures), or in Workers, one or more per queue (a module): never block a thread that serves, and never read one's own disk from it.
 */
export class UblkDevice extends EventEmitter<DeviceEvents> implements AsyncDisposable {
  /** The device's number N. */
  readonly id: number;
  /** What the driver made of the request. */
  readonly info: DeviceInfo;
  /** The data mode in force. */
  readonly mode: DataMode;
  /** Resolves when the device is gone, whoever stopped it; rejects when it failed. */
  readonly finished: Promise<void>;
  readonly #parts: DeviceParts;
  readonly #threads = new ServingThreads();
  readonly #shared: SharedMemories | undefined;
  readonly #reports: DeviceReports;
  readonly #resizer: Resizer;
  readonly #starting = new AbortController();
  readonly #end = Promise.withResolvers<void>();
  #params: DiskParams | undefined;
  #state: DeviceStateName = "starting";
  #stopping: Promise<void> | undefined;
  #failure: Error | undefined;
  #charOpen = true;
  #fetched = false;
  #torn: Promise<void> | undefined;
  #removed: Promise<void> | undefined;
  #started: Promise<void> | undefined;
  #watchdog: Watchdog | undefined;

  private constructor(parts: DeviceParts) {
    super();
    this.id = parts.info.id;
    this.info = parts.info;
    this.mode = parts.mode;
    this.#parts = parts;
    const { control, options } = parts;
    if (options.sharedMemory)
      this.#shared = new SharedMemories({ id: this.id, control, limitMs: options.timeoutMs, threads: () => this.#threads.all });
    this.#reports = new DeviceReports(this, this.path);
    this.#resizer = new Resizer(parts, (size) => (this.#params = { ...this.#params!, size }));
    this.finished = this.#end.promise;
    this.finished.catch(() => {}); // whoever cares awaits it; nobody is told twice
  }

  /** Makes and starts a device: see {@link serve}. */
  static async create<Options = never>(target: Target<Options>, options: ServeOptions<Options> = {}): Promise<UblkDevice> {
    const checked = checkServeOptions(options as ServeOptions<never>);
    const device = await makeDevice(target as Target, checked, (parts) => {
      const made = new UblkDevice(parts);
      made.#started = made.#start();
      return made;
    });
    await device.#started;
    return device;
  }

  /** The block device's path, `/dev/ublkbN`. */
  get path(): string {
    return blockPath(this.id);
  }

  /** The char device's path, `/dev/ublkcN`. */
  get charPath(): string {
    return charPath(this.id);
  }

  /** Its place in its life. */
  get state(): DeviceStateName {
    return this.#state;
  }

  /** The parameters in force, once live. */
  get params(): Readonly<DiskParams> | undefined {
    return this.#params;
  }

  /** Which data mode is in force and why, what became of others, whether requests come in batches. */
  explain(): ModeExplanation {
    const { control, options, geometry } = this.#parts;
    return explainMode(this.mode, options, geometry, control.features, this.#shared?.count);
  }

  /**
   * Registers memory that clients may share with the disk (REG_BUF, 7.1), served with `sharedMemory: true`. A client maps
   * {@link SharedMemory.path} and does O_DIRECT I/O on that mapping: such requests are not copied, the target sees the client's own memory.
   * It stays registered until it is released, or the disk stops. Waits for the requests in flight; new ones wait meanwhile.
   *
   * @throws UblkError EEXIST: registered already; EFAULT: a file that is not in memory; ETIMEDOUT: a request stays open for longer
   *   than `timeoutMs`.
   */
  async shareMemory(options: ShareOptions): Promise<SharedMemory> {
    if (this.#shared === undefined) throw new TypeError("shareMemory: the disk was not made for it; serve it with sharedMemory: true");
    this.#mustLive("shareMemory");
    return await this.#shared.share(options);
  }

  /**
   * Gives the disk another size while it is in use (UPDATE_SIZE, Linux 6.16). The target is asked first, and may refuse. The kernel looks at
   * nothing: make a file system smaller before its disk, and larger after it. `docs/changing.md` tells more.
   *
   * @throws RangeError: no multiple of the block size; TypeError: the target has no `resize`, or the disk is not live; UblkError EOPNOTSUPP:
   *   before Linux 6.16; what the target throws.
   */
  async resize(size: Size): Promise<void> {
    this.#mustLive("resize");
    await this.#resizer.resize(size);
  }

  /** Its serving threads. @internal */
  get threads(): readonly QueueThread[] {
    return this.#threads.all;
  }

  /**
   * Stops the disk and removes the device: writes back what is dirty, answers what is open (EIO after `grace`), then deletes. Unmount
   * before, or the mount is left without its disk. Twice is fine: the first call decides. With `ifUnused` a disk that somebody uses is left as
   * it is.
   *
   * @throws UblkError with `ifUnused`, EBUSY: the message says who uses the disk; EOPNOTSUPP: before Linux 7.0.
   */
  stop(options: StopOptions = {}): Promise<void> {
    const { grace, ifUnused } = checkStop(options);
    if (ifUnused && this.#state === "live" && this.#stopping === undefined) return this.#stopUnused(grace);
    this.#stopping ??= this.#state === "starting" ? this.#cancelStart() : this.#stopLive(grace);
    return this.#stopping;
  }

  /** {@link UblkDevice.stop}, at the end of an `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Takes the device down at once, synchronously, for a process that is exiting: whatever is open fails, nothing is written back.
   * @internal
   */
  dropSync(): void {
    if (this.#state === "stopped") return;
    // Before it starts there is no disk, and nothing arrives.
    if (this.#fetched) this.#threads.drainNow(this.id, this.#parts.control.features);
    this.#setState("stopped");
    const released = this.#threads.tearDownNow();
    this.#closeChar();
    removeNow(this.id, released);
  }

  async #start(): Promise<void> {
    const { id } = this;
    const { control, options, geometry, module } = this.#parts;
    const { signal } = this.#starting;
    lifeline.add(this, options.signals);
    try {
      noteState(id, module, options.options);
      const events = this.#reports.threads({ fatal: (error) => this.#fail(error), died: (error) => this.#died(error) });
      await this.#threads.attach(servingPlan(this.#parts, this.#shared), control, events, signal);
      this.#params = paramsOf(geometry, this.#threads.capabilities, options, this.info.maxIoBytes, this.mode);
      await control.setParams(id, this.#params, { signal });
      this.#fetched = true;
      this.#threads.start();
      await control.startDevice(id, process.pid, { signal });
      await blockNode(id, options.timeoutMs, signal);
      this.#setState("live");
      const { watchdogMs } = options;
      if (watchdogMs > 0 && this.state === "live")
        this.#watchdog = new Watchdog(this.#threads.all, watchdogMs, (event) => this.#reports.slow(event));
      void this.#threads.closed.then(() => this.#drained());
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      await this.#stop(0).catch(() => {});
      throw this.#failure;
    }
  }

  // Until the kernel has agreed, the disk is as live as before, and may come to any other end.
  async #stopUnused(grace: number): Promise<void> {
    try {
      await stopUnused(this.#parts.control, this.id, this.#limit(grace));
    } catch (error) {
      if (this.#stopping === undefined) throw error;
    }
    await this.stop({ grace });
  }

  async #stopLive(grace: number): Promise<void> {
    try {
      await writeBackFirst(this.info, this.#limit(grace));
    } catch (error) {
      if (this.#failure === undefined) {
        this.#stopping = undefined; // refused: it is served on
        throw error;
      }
    }
    await this.#stop(grace);
  }

  #mustLive(what: string): void {
    if (this.#state !== "live") throw new TypeError(`${what}: the disk is ${this.#state}`);
  }

  #limit(grace: number): number {
    return Math.min(grace + this.#parts.options.timeoutMs, TIMER_MAX);
  }

  // A start that is given up cleans up after itself; whoever stops it waits for that.
  async #cancelStart(): Promise<void> {
    this.#starting.abort(new Error("the device was stopped while it started"));
    await this.#started?.catch(() => {});
    if (this.#removed === undefined) await this.#stop(0); // it had just become live
    await this.#removed;
  }

  async #stop(grace: number): Promise<void> {
    const { control, options } = this.#parts;
    this.#setState("stopping");
    // Each request has its own grace: what is written back during the stop has just arrived.
    const refuse = setInterval(() => this.#threads.refuse(grace), REFUSE_MS);
    try {
      // Tags that were never fetched will never be given back: there is nothing to drain.
      if (!this.#fetched) throw this.#failure ?? new Error("the device was stopped before it had started");
      // A thread that is stuck will not answer its requests either, and STOP_DEV would only wait for them.
      if (!(await this.#threads.answer(ANSWER_MS + grace))) throw stuck(this.id);
      await stopServed(control, this.id, this.#limit(grace));
      await withLimit(this.#threads.closed, options.timeoutMs, "the queues did not drain");
      this.#closeChar();
    } catch (error) {
      this.#failure ??= error as Error;
      await this.#tearDown();
    } finally {
      clearInterval(refuse);
    }
    await this.#remove();
  }

  // Never STOP_DEV here: it would wait for requests that nobody answers any more. Giving everything up makes the kernel answer them.
  #tearDown(): Promise<void> {
    this.#torn ??= this.#threads.tearDown().then(() => this.#closeChar());
    return this.#torn;
  }

  // The device's last steps are the same however it came to its end.
  #remove(): Promise<void> {
    this.#removed ??= this.#removeOnce();
    return this.#removed;
  }

  async #removeOnce(): Promise<void> {
    const { control, target, opened } = this.#parts;
    removeState(this.id); // while the id is ours
    try {
      await removeDevice(control, this.id, () => this.#failure);
    } finally {
      this.#shared?.end(); // registrations end with the device, not with its server
      lifeline.remove(this);
      await control.close();
      this.#setState("stopped");
      try {
        await target.close?.(opened.shared as never);
      } catch (error) {
        this.#failure ??= error as Error;
      }
      if (this.#failure === undefined) this.#end.resolve();
      else this.#end.reject(this.#failure);
    }
  }

  #died(error: Error): void {
    if (this.#state === "stopped") return;
    this.#announce(error);
    const starting = this.#state === "starting";
    const ended = this.#tearDown();
    // A start or a stop that is under way goes on from here: its commands return when the kernel has taken the device back.
    if (starting || this.#stopping !== undefined) return;
    this.#stopping = (async () => {
      this.#setState("stopping");
      await ended;
      await this.#remove();
    })();
    this.#stopping.catch(() => {});
  }

  // Every queue has drained though nobody here asked for it: another program stopped the disk (`uring-ublk del --force`), and may
  // wait for the char device to be closed.
  #drained(): void {
    if (this.#state !== "live") return;
    this.#stopping = (async () => {
      this.#setState("stopping");
      this.#closeChar();
      await this.#remove();
    })();
    this.#stopping.catch(() => {});
  }

  #fail(error: Error): void {
    if (this.#state === "stopped") return;
    this.#announce(error);
    // While it starts, the start itself notices and cleans up.
    if (this.#state === "live") this.stop({ grace: 0 }).catch(() => {});
  }

  #announce(error: Error): void {
    const first = this.#failure === undefined;
    this.#failure ??= error;
    if (!first) return;
    this.#starting.abort(error);
    if (this.#state !== "starting") this.#reports.failure(error); // serve() itself rejects with it otherwise
  }

  #closeChar(): void {
    if (!this.#charOpen) return;
    this.#charOpen = false;
    sys.close(this.#parts.charFd);
  }

  #setState(state: DeviceStateName): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state !== "live") this.#watchdog?.stop();
    this.#reports.state(state);
  }
}
