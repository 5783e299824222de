import { sys } from "../ffi/index.ts";
import type { DeviceReports } from "./device-reports.ts";
import type { DeviceStateName } from "./device-types.ts";
import { freeze, leftOpen } from "./hand-over.ts";
import { HotReload } from "./hot-reload.ts";
import { lifeline } from "./lifeline.ts";
import { TIMER_MAX, withLimit } from "./limits.ts";
import type { DeviceParts } from "./make-device.ts";
import { blockNode } from "./nodes.ts";
import type { DiskParams } from "./params.ts";
import { outlives } from "./recovery.ts";
import { removeDevice, removeNow } from "./removal.ts";
import { servingPlan } from "./serving-plan.ts";
import { ServingThreads } from "./serving-threads.ts";
import { SharedMemories } from "./shared-memories.ts";
import { noteInState } from "./state-file.ts";
import { stopServed, stuck } from "./stop-device.ts";
import { GRACE_MS, type StopOptions } from "./stop-options.ts";
import { stopUnused } from "./stop-unused.ts";
import { ownBlock } from "./user-nodes.ts";
import { killMsOf, Watchdog } from "./watchdog.ts";
import { writeBackFirst } from "./write-back-first.ts";

const REFUSE_MS = 100;
const ANSWER_MS = 2_000;

/**
 * The life of a device, from its threads' start to its removal: what happens in which order, and what becomes of it where something fails.
 */
export class DeviceLife {
  /** What serves it. */
  readonly threads = new ServingThreads();
  /** What it shares with its clients, where it does. */
  readonly shared: SharedMemories | undefined;
  /** Resolves when this process has nothing to do with it any more; rejects when it failed. */
  readonly finished: Promise<void>;
  /** The parameters in force, once live. */
  params: DiskParams | undefined;
  /** Whether it stays when its process ends, and waits for another. */
  readonly outlives: boolean;
  readonly #id: number;
  readonly #parts: DeviceParts;
  readonly #reports: DeviceReports;
  readonly #starting = new AbortController();
  readonly #end = Promise.withResolvers<void>();
  #state: DeviceStateName = "starting";
  #stopping: Promise<void> | undefined;
  #failure: Error | undefined;
  #charOpen = true;
  #drains = false; // a stop may wait for its tags: they were fetched, and no server before left anything open
  #stays: boolean; // without this process, for another
  #torn: Promise<void> | undefined;
  #removed: Promise<void> | undefined;
  #started: Promise<void> | undefined;
  #watchdog: Watchdog | undefined;
  /** The exchange of its target's code. */
  readonly reloads: HotReload;

  constructor(parts: DeviceParts, reports: DeviceReports) {
    const { control, info, options, starting } = parts;
    this.#id = info.id;
    this.#parts = parts;
    this.#reports = reports;
    reports.killMs = () => killMsOf({ id: info.id, unprivileged: options.unprivileged });
    this.outlives = outlives(info.flags);
    this.#stays = starting.again;
    if (options.sharedMemory)
      this.shared = new SharedMemories({ id: info.id, control, limitMs: options.timeoutMs, threads: () => this.threads.all });
    this.reloads = new HotReload({
      module: parts.module,
      threads: () => this.threads.all,
      capabilities: () => this.threads.capabilities,
      limitMs: options.timeoutMs,
    });
    this.finished = this.#end.promise;
    this.finished.catch(() => {}); // whoever cares awaits it; nobody is told twice
  }

  /** Its place in its life. */
  get state(): DeviceStateName {
    return this.#state;
  }

  /** Refuses what only a live disk can do. */
  mustLive(what: string): void {
    if (this.#state !== "live") throw new TypeError(`${what}: the disk is ${this.#state}`);
  }

  /** Attaches the target, starts the threads, and waits until the disk is there. */
  start(): Promise<void> {
    this.#started = this.#start();
    return this.#started;
  }

  /** Stops the disk and removes the device. The first call decides. */
  stop({ grace = GRACE_MS, ifUnused = false }: StopOptions = {}): Promise<void> {
    if (ifUnused && this.#state === "live" && this.#stopping === undefined) return this.#stopUnused(grace);
    this.#stopping ??= this.#state === "starting" ? this.#cancelStart() : this.#stopLive(grace);
    return this.#stopping;
  }

  /** Lets go of the disk for another server, once what has arrived is answered. */
  async handOver(grace: number): Promise<void> {
    this.mustLive("handOver");
    if (this.#stopping === undefined && !(await this.threads.answer(ANSWER_MS))) throw stuck(this.#id, "handOver");
    await this.shared?.releaseAll();
    if (this.#stopping !== undefined) throw new TypeError("handOver: the disk is being stopped");
    this.#stopping = this.#handOver(grace);
    await this.#stopping;
  }

  async #handOver(grace: number): Promise<void> {
    const { control, options } = this.#parts;
    this.#setState("stopping");
    noteInState(this.#id, { frozen: Date.now() });
    let open: Error | undefined;
    try {
      if (!(await freeze(control, this.#id, this.threads, grace))) open = leftOpen(this.#id, grace);
    } catch (error) {
      open = error as Error;
    }
    // What is open goes to the next server as it is.
    if (open === undefined) this.#closeChar();
    else await this.#tearDown();
    if (options.recovery !== "reissue") this.#failure ??= open;
    await this.#remove();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Takes the device down at once, synchronously, for a process that is exiting: whatever is open fails, nothing is written back. */
  dropSync(): void {
    // What waits for another server when this process has ended is let go by its end.
    if (this.#over || this.#stays) return;
    // Before it starts there is no disk, and nothing arrives.
    if (this.#drains) this.threads.drainNow(this.#id, this.#parts.control.features);
    this.#setState("stopped");
    const released = this.threads.tearDownNow();
    this.#closeChar();
    removeNow(this.#id, released);
  }

  async #start(): Promise<void> {
    const id = this.#id;
    const { control, options, starting } = this.#parts;
    const { signal } = this.#starting;
    lifeline.add(this, options.signals);
    try {
      const events = this.#reports.threads({ fatal: (error) => this.#fail(error), died: (error) => this.#died(error) });
      await this.threads.attach(servingPlan(this.#parts, this.shared), control, events, signal);
      this.params = await starting.params(this.threads.capabilities, signal);
      this.#drains = !starting.again;
      this.threads.start();
      await starting.live(signal);
      await blockNode(id, options.timeoutMs, signal);
      if (options.unprivileged) await ownBlock(id, this.params.readOnly, options.timeoutMs, signal);
      this.#drains = true;
      this.#stays = this.outlives;
      this.#setState("live");
      this.shared?.forget(starting.shared ?? []).catch((error: Error) => this.#reports.warn(error));
      const { unprivileged, watchdogMs } = options;
      if (this.state === "live")
        this.#watchdog = Watchdog.start({ id, threads: this.threads.all, unprivileged, watchdogMs }, (event) => this.#reports.slow(event));
      if (options.hotReload && this.state === "live") this.reloads.watch((error) => this.#reports.reload(error));
      void this.threads.closed.then(() => this.#drained());
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
      await this.#stop(0).catch(() => {});
      throw this.#failure;
    }
  }

  // Until the kernel has agreed, the disk is as live as before, and may come to any other end.
  async #stopUnused(grace: number): Promise<void> {
    try {
      await stopUnused(this.#parts.control, this.#id, this.#limit(grace));
    } catch (error) {
      if (this.#stopping === undefined) throw error;
    }
    await this.stop({ grace });
  }

  async #stopLive(grace: number): Promise<void> {
    try {
      await writeBackFirst(this.#parts.info, this.#limit(grace));
    } catch (error) {
      if (this.#failure === undefined) {
        this.#stopping = undefined; // refused: it is served on
        throw error;
      }
    }
    await this.#stop(grace);
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
    this.#stays = this.#parts.starting.again && !this.#drains;
    this.#setState("stopping");
    // Each request has its own grace: what is written back during the stop has just arrived.
    const refuse = setInterval(() => this.threads.refuse(grace), REFUSE_MS);
    try {
      // Tags that were never fetched will never be given back: there is nothing to drain.
      if (!this.#drains) throw this.#failure ?? new Error("the device was stopped before it had started");
      // A thread that is stuck will not answer its requests either, and STOP_DEV would only wait for them.
      if (!(await this.threads.answer(ANSWER_MS + grace))) throw stuck(this.#id);
      await stopServed(control, this.#id, this.#limit(grace));
      await withLimit(this.threads.closed, options.timeoutMs, "the queues did not drain");
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
    this.#torn ??= this.threads.tearDown().then(() => this.#closeChar());
    return this.#torn;
  }

  // The device's last steps are the same however it came to its end.
  #remove(): Promise<void> {
    this.#removed ??= this.#removeOnce();
    return this.#removed;
  }

  async #removeOnce(): Promise<void> {
    const { control, target, opened, info } = this.#parts;
    let gone = true;
    try {
      gone = await removeDevice(control, info, () => this.#failure);
    } finally {
      this.shared?.end(); // registrations end with the device, not with its server
      lifeline.remove(this);
      await control.close();
      this.#setState(gone ? "stopped" : "left");
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
    if (this.#over) return;
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
    if (this.#over) return;
    // To the next server, with what is open.
    if (this.outlives) this.#died(error);
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
    this.#reports.failure(error, this.outlives ? `waits for another server (uring-ublk recover ${this.#id})` : "is being stopped");
  }

  get #over(): boolean {
    return this.#state === "stopped" || this.#state === "left";
  }

  #closeChar(): void {
    if (!this.#charOpen) return;
    this.#charOpen = false;
    sys.close(this.#parts.charFd);
  }

  #setState(state: DeviceStateName): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state !== "live") {
      this.#watchdog?.stop();
      this.reloads.stop();
    }
    this.#reports.state(state);
  }
}
