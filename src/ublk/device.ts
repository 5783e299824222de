import { EventEmitter } from "node:events";
import { resolve as resolvePath } from "node:path";
import { pathToFileURL } from "node:url";
import { sys } from "../ffi/index.ts";
import { checkInteger, checkKnown } from "../uring/options.ts";
import { addDevice, checkRoom, chooseMode } from "./add.ts";
import { UblkControl } from "./control.ts";
import { deleteNow } from "./delete-now.ts";
import { UblkError } from "./error.ts";
import { type CheckedGeometry, checkGeometry, paramsOf } from "./geometry.ts";
import type { DeviceInfo } from "./info.ts";
import { asDefinition, importTarget } from "./inline.ts";
import { lifeline } from "./lifeline.ts";
import { release, TIMER_MAX, withLimit } from "./limits.ts";
import { localThread } from "./local-thread.ts";
import type { Capabilities } from "./methods.ts";
import { blockNode, blockPath, charPath, openChar } from "./nodes.ts";
import type { DiskParams } from "./params.ts";
import type { DataMode, QueueSpec } from "./queue-spec.ts";
import { opName } from "./request.ts";
import { RequestReporter } from "./request-reporter.ts";
import { type CheckedOptions, checkServeOptions, type ServeOptions } from "./serve-options.ts";
import { removeState, writeState } from "./state-file.ts";
import { deleteFromOutside, stopServed } from "./stop-device.ts";
import { type InlineTarget, isDefinition, type Opened, type TargetDefinition } from "./target.ts";
import type { QueueThread, ThreadEvents } from "./thread.ts";
import { WorkerThread } from "./worker-thread.ts";

/** A device's place in its life. */
export type DeviceStateName = "starting" | "live" | "stopping" | "stopped";

/** A request that failed by a throw of the target. */
export interface RequestErrorEvent {
  /** What the method threw, or its promise rejected with. */
  readonly error: unknown;
  /** `"READ"`, `"WRITE"`, ... */
  readonly op: string;
  /** Where the request starts, in bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** Events of a {@link UblkDevice}. */
export interface DeviceEvents {
  /** A target's method threw; the request was answered with the error's errno. Unheard ones go to stderr, one a second. */
  requesterror: [RequestErrorEvent];
  /** The device came to another place in its life. */
  state: [DeviceStateName];
  /** The device fails as a whole and is being stopped; {@link UblkDevice.finished} rejects with the error. */
  failure: [Error];
}

/** Options of {@link UblkDevice.stop}. */
export interface StopOptions {
  /** How long requests that a target holds may still be answered, in milliseconds; then they get EIO. Default 5000. */
  grace?: number;
}

/** What can be served. */
export type Target<Options = never> = InlineTarget | TargetDefinition<Options, never> | TargetDefinition<Options, unknown> | URL | string;

const GRACE_MS = 5_000;
const REFUSE_MS = 100;
const DELETE_MS = 5_000;
const ANSWER_MS = 2_000;
const DEAD_MS = 5_000;
const ETIMEDOUT = -110;
const ABORT_MS = 2_000;
const CLOSE_MS = 1_000;
const DELETE_NOW_MS = 3_000;

/**
 * One ublk device and everything that serves it, from ADD_DEV to DEL_DEV.
 *
 * Made by {@link serve}. It keeps the process alive until it is stopped, as `Bun.serve` does. Requests are served on the calling thread
 * (closures), or in a Worker per queue (a module): never block a thread that serves, and never read one's own disk from it.
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
  readonly #control: UblkControl;
  readonly #options: CheckedOptions;
  readonly #charFd: number;
  readonly #target: TargetDefinition;
  readonly #opened: Opened<unknown>;
  readonly #geometry: CheckedGeometry;
  readonly #module: string | undefined;
  readonly #threads: QueueThread[] = [];
  readonly #finish: () => void;
  readonly #reject: (error: Error) => void;
  #params: DiskParams | undefined;
  #state: DeviceStateName = "starting";
  #stopping: Promise<void> | undefined;
  #failure: Error | undefined;
  #charOpen = true;
  #fetched = false;
  readonly #starting = new AbortController();
  #torn: Promise<void> | undefined;
  #removed: Promise<void> | undefined;
  #started: Promise<void> | undefined;
  readonly #reporter = new RequestReporter();

  private constructor(parts: {
    control: UblkControl;
    options: CheckedOptions;
    info: DeviceInfo;
    mode: DataMode;
    charFd: number;
    target: TargetDefinition;
    opened: Opened<unknown>;
    geometry: CheckedGeometry;
    module: string | undefined;
  }) {
    super();
    this.id = parts.info.id;
    this.info = parts.info;
    this.mode = parts.mode;
    this.#control = parts.control;
    this.#options = parts.options;
    this.#charFd = parts.charFd;
    this.#target = parts.target;
    this.#opened = parts.opened;
    this.#geometry = parts.geometry;
    this.#module = parts.module;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.finished = promise;
    this.#finish = resolve;
    this.#reject = reject;
    promise.catch(() => {}); // whoever cares awaits it; nobody is told twice
  }

  /** Makes and starts a device: see {@link serve}. */
  static async create<Options = never>(target: Target<Options>, options: ServeOptions<Options> = {}): Promise<UblkDevice> {
    const checked = checkServeOptions(options as ServeOptions<never>);
    const { definition, module } = await definitionOf(target);
    const control = await UblkControl.open({ timeoutMs: checked.timeoutMs, encoding: checked.encoding });
    let opened: Opened<unknown> | undefined;
    let info: DeviceInfo | undefined;
    let device: UblkDevice | undefined;
    try {
      opened = await definition.open(checked.options as never);
      const geometry = checkGeometry(opened);
      const mode = chooseMode(checked, geometry, control.features);
      checkRoom(checked, geometry, mode);
      if (module !== undefined) checkCloneable(opened.shared);
      info = await addDevice(control, checked, mode);
      const charFd = await openChar(info.id, checked.timeoutMs);
      device = new UblkDevice({ control, options: checked, info, mode, charFd, target: definition, opened, geometry, module });
    } catch (error) {
      if (info !== undefined) await control.deleteDevice(info.id, { timeoutMs: DELETE_MS }).catch(() => {});
      try {
        if (opened !== undefined) await definition.close?.(opened.shared as never);
      } finally {
        await control.close();
      }
      throw error;
    }
    device.#started = device.#start();
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

  /** The parameters in force, once started. */
  get params(): Readonly<DiskParams> | undefined {
    return this.#params;
  }

  /** The threads that serve, one per queue. @internal */
  get threads(): readonly QueueThread[] {
    return this.#threads;
  }

  /**
   * Stops the disk and removes the device: writes back what is dirty, answers what is open (EIO after `grace`), then deletes. Unmount
   * before, or the mount is left without its disk. Twice is fine: the first call decides.
   */
  stop(options: StopOptions = {}): Promise<void> {
    checkKnown("stop", options, ["grace"]);
    const grace = options.grace === undefined ? GRACE_MS : checkInteger("stop", "grace", options.grace, 0, TIMER_MAX, "milliseconds");
    this.#stopping ??= this.#state === "starting" ? this.#cancelStart() : this.#stop(grace);
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
    this.#setState("stopped");
    for (const thread of this.#threads) thread.abort();
    const until = performance.now() + CLOSE_MS;
    while (!this.#threads.every((thread) => thread.isClosed) && performance.now() < until) Bun.sleepSync(1);
    for (const { resources } of this.#threads) release(resources);
    this.#closeChar();
    // A thread that does not let go keeps the char device open, and only the end of the process closes it: waiting would be for ever.
    const gone = this.#threads.every((thread) => thread.isClosed) && deleteNow(this.id, DELETE_NOW_MS);
    if (gone) removeState(this.id);
    else process.stderr.write(`uring-ublk: ${this.charPath} may stay behind, dead: \`uring-ublk del ${this.id}\` removes it\n`);
  }

  async #start(): Promise<void> {
    const { id } = this;
    const { signal } = this.#starting;
    lifeline.add(this, this.#options.signals);
    try {
      this.#writeState();
      await this.#attach();
      this.#params = paramsOf(this.#geometry, capabilitiesOf(this.#threads), this.#options, this.info.maxIoBytes, this.mode);
      await this.#control.setParams(id, this.#params, { signal });
      this.#fetched = true;
      for (const thread of this.#threads) thread.start();
      await this.#control.startDevice(id, process.pid, { signal });
      await blockNode(id, this.#options.timeoutMs, signal);
      this.#setState("live");
      void Promise.all(this.#threads.map((thread) => thread.closed)).then(() => this.#drained());
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      await this.#stop(0).catch(() => {});
      throw this.#failure;
    }
  }

  // A start that is given up cleans up after itself; whoever stops it waits for that.
  async #cancelStart(): Promise<void> {
    this.#starting.abort(new Error("the device was stopped while it started"));
    await this.#started?.catch(() => {});
    if (this.#removed === undefined) await this.#stop(0); // it had just become live
    await this.#removed;
  }

  async #attach(): Promise<void> {
    const { info } = this;
    const events: ThreadEvents = {
      requestError: (error, op, offset, length) => this.#requestError(error, op, offset, length),
      fatal: (error) => this.#fail(error),
      died: (error) => this.#died(error),
    };
    const spec = (queue: number): QueueSpec => ({
      device: info.id,
      charFd: this.#charFd,
      queue,
      depth: info.depth,
      maxIoBytes: info.maxIoBytes,
      blockSize: this.#geometry.blockSize,
      mode: this.mode,
      encoding: this.#options.encoding,
      members: this.#geometry.members,
      serving: this.#module !== undefined,
      synchronous: this.#geometry.synchronous,
      serialize: this.#options.serialize,
    });
    const limit = AbortSignal.any([this.#starting.signal, AbortSignal.timeout(this.#options.timeoutMs)]);
    for (let queue = 0; queue < info.queues; queue++) {
      if (this.#module === undefined) this.#threads.push(await localThread(spec(queue), this.#target, this.#opened.shared, events));
      else {
        const cpus = await this.#control.getQueueAffinity(info.id, queue);
        this.#threads.push(await WorkerThread.start(spec(queue), this.#module, this.#opened.shared, cpus, events, limit));
      }
      this.#starting.signal.throwIfAborted();
    }
  }

  async #stop(grace: number): Promise<void> {
    this.#setState("stopping");
    // Each request has its own grace: what is written back during the stop has just arrived.
    const refuse = setInterval(() => {
      for (const thread of this.#threads) thread.refuse(grace);
    }, REFUSE_MS);
    try {
      // Tags that were never fetched will never be given back: there is nothing to drain.
      if (!this.#fetched) throw this.#failure ?? new Error("the device was stopped before it had started");
      // A thread that is stuck will not answer its requests either, and STOP_DEV would only wait for them.
      const answers = await Promise.all(this.#threads.map((thread) => thread.answers(ANSWER_MS + grace)));
      if (answers.includes(false))
        throw new UblkError({
          command: "stop",
          device: this.id,
          errno: ETIMEDOUT,
          hint: "a serving thread is stuck in a handler and takes no commands",
        });
      await stopServed(this.#control, this.id, Math.min(grace + this.#options.timeoutMs, TIMER_MAX));
      await withLimit(Promise.all(this.#threads.map((thread) => thread.closed)), this.#options.timeoutMs, "the queues did not drain");
      this.#closeChar();
    } catch (error) {
      this.#failure ??= error as Error;
      await this.#tearDown();
    } finally {
      clearInterval(refuse);
    }
    await this.#remove();
  }

  // The device's last steps are the same however it came to its end.
  #remove(): Promise<void> {
    this.#removed ??= this.#removeOnce();
    return this.#removed;
  }

  async #removeOnce(): Promise<void> {
    try {
      await this.#delete();
    } finally {
      removeState(this.id);
      lifeline.remove(this);
      await this.#control.close();
      this.#setState("stopped");
      try {
        await this.#target.close?.(this.#opened.shared as never);
      } catch (error) {
        this.#failure ??= error as Error;
      }
      if (this.#failure === undefined) this.#finish();
      else this.#reject(this.#failure);
    }
  }

  async #delete(): Promise<void> {
    // DEL_DEV would wait for the device's requests, beyond the reach of signals: whoever cannot have them answered must not send it.
    if (!(await this.#isDead())) this.#lastResort();
    try {
      await this.#control.deleteDevice(this.id, { timeoutMs: DELETE_MS });
    } catch (error) {
      // Somebody still has the block device open: the device is deleted, and its id is free when they let go.
      if (!(error instanceof UblkError) || (error.code !== "ETIMEDOUT" && error.code !== "ENODEV")) throw error;
    }
  }

  // The kernel takes a device back when its char device is let go. Asked with the command that takes no lock.
  async #isDead(): Promise<boolean> {
    for (const until = performance.now() + DEAD_MS; performance.now() < until; await Bun.sleep(5)) {
      try {
        if ((await this.#control.getDeviceInfo1(this.id, { timeoutMs: DEAD_MS })).state === "dead") return true;
      } catch (error) {
        return error instanceof UblkError && error.code === "ENODEV";
      }
    }
    return false;
  }

  // Never STOP_DEV here: it would wait for requests that nobody answers any more. Giving everything up makes the kernel answer them.
  #tearDown(): Promise<void> {
    this.#torn ??= this.#tearDownOnce();
    return this.#torn;
  }

  async #tearDownOnce(): Promise<void> {
    for (const thread of this.#threads) thread.abort();
    await withLimit(Promise.all(this.#threads.map((thread) => thread.closed)), ABORT_MS, "").catch(() => {
      for (const thread of this.#threads) if (thread instanceof WorkerThread) thread.terminate();
    });
    await withLimit(Promise.all(this.#threads.map((thread) => thread.closed)), ABORT_MS, "").catch(() => {});
    for (const { resources } of this.#threads) release(resources);
    this.#closeChar();
  }

  #lastResort(): never {
    const cause = this.#failure ?? new Error("its server does not answer");
    process.stderr.write(
      `uring-ublk: device ${this.id} is not released ${DEAD_MS} ms after its server failed (${cause.message}).\n` +
        "uring-ublk: ending this process, so that the kernel fails the requests that clients wait for.\n",
    );
    deleteFromOutside(this.id);
    removeState(this.id);
    process.kill(process.pid, "SIGKILL");
    throw cause;
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
    if (this.#state === "starting") return; // serve() itself rejects with it
    if (this.listenerCount("failure") > 0) this.#tell(() => this.emit("failure", error));
    else process.stderr.write(`uring-ublk: ${this.path} failed and is being stopped: ${error.stack ?? error.message}\n`);
  }

  #requestError(error: unknown, op: number, offset: number, length: number): void {
    const event = { error, op: opName(op), offset, length };
    if (this.listenerCount("requesterror") > 0) this.#tell(() => this.emit("requesterror", event));
    else this.#reporter.report(this.path, event);
  }

  // A listener that throws must not stop what is going on here: its error is its own program's.
  #tell(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #closeChar(): void {
    if (!this.#charOpen) return;
    this.#charOpen = false;
    sys.close(this.#charFd);
  }

  #writeState(): void {
    const { options } = this.#options;
    try {
      writeState({
        id: this.id,
        pid: process.pid,
        module: this.#module,
        options: isPlain(options) ? options : undefined,
        started: new Date().toISOString(),
      });
    } catch (error) {
      process.stderr.write(
        `uring-ublk: the state file of device ${this.id} could not be written, so tools know less of it: ${(error as Error).message}\n`,
      );
    }
  }

  #setState(state: DeviceStateName): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#tell(() => this.emit("state", state));
  }
}

async function definitionOf(target: unknown): Promise<{ definition: TargetDefinition; module: string | undefined }> {
  if (!(target instanceof URL) && typeof target !== "string") {
    return { definition: isDefinition(target) ? target : asDefinition(target), module: undefined };
  }
  const module = typeof target === "string" && !/^[a-z]+:\/\//i.test(target) ? pathToFileURL(resolvePath(target)).href : String(target);
  return { definition: await importTarget(module), module };
}

// What every Worker is handed is cloned: said before anything is made, and in words.
function checkCloneable(shared: unknown): void {
  try {
    structuredClone(shared);
  } catch (error) {
    throw new TypeError(
      "target: open() returned a shared that cannot be handed to Workers; it may hold descriptors, SharedArrayBuffers and plain data",
      {
        cause: error,
      },
    );
  }
}

/** What every thread can do; the kernel spreads requests over all of them. */
function capabilitiesOf(threads: readonly QueueThread[]): Capabilities {
  const all = (name: keyof Capabilities): boolean => threads.every(({ capabilities }) => capabilities[name]);
  return { write: all("write"), flush: all("flush"), discard: all("discard"), writeZeroes: all("writeZeroes") };
}

function isPlain(value: unknown): boolean {
  try {
    return JSON.stringify(value) !== undefined;
  } catch {
    return false;
  }
}
