import { existsSync } from "node:fs";
import { Doorbell } from "../uring/doorbell.ts";
import { type StepLimit, withLimit } from "./limits.ts";
import type { Capabilities } from "./methods.ts";
import type { QueueResources, QueueSpec } from "./queue-spec.ts";
import { NOTHING, type QueueThread, release, type ThreadEvents } from "./thread.ts";
import { servedBy } from "./threads.ts";
import {
  ABORT,
  ALIVE,
  COMMAND,
  COMMAND_WORDS,
  DEPART,
  FORGET,
  type FromWorker,
  HEARD,
  LEFT,
  LISTEN,
  LOOK,
  LOOK_MS,
  NEVER,
  NOT_YET,
  OPENING,
  PING,
  QUEUE_STATE,
  REFUSE,
  REFUSE_MS,
  SHUT,
  type ToWorker,
} from "./worker-protocol.ts";

/** The Worker's program: beside this module in the sources, an entry of its own in the built package. */
const PROGRAM = import.meta.url.endsWith(".ts") ? new URL("./worker.ts", import.meta.url) : new URL("./ublk-worker.js", import.meta.url);

/** How long a Worker that was terminated may take to end, and its thread to leave the kernel. */
const END_MS = 2_000;

/** Serves a queue, or its share of one, in a Worker that imports the target's module. */
export class WorkerThread implements QueueThread {
  readonly queue: number;
  readonly thread: number;
  readonly closed: Promise<void>;
  readonly local = false;
  capabilities: Capabilities = { write: false, flush: false, discard: false, writeZeroes: false, zones: false };
  readonly #spec: QueueSpec;
  readonly #worker: Worker;
  readonly #doorbell = new Doorbell();
  readonly #commands = new SharedArrayBuffer(COMMAND_WORDS * 4);
  readonly #words = new Int32Array(this.#commands);
  readonly #events: ThreadEvents;
  readonly #close: () => void;
  readonly #ended = Promise.withResolvers<void>();
  #attached: { resolve(): void; reject(error: Error): void } | undefined;
  #opened: (() => void) | undefined;
  #prepared: PromiseWithResolvers<Capabilities> | undefined;
  #exchanged: PromiseWithResolvers<boolean> | undefined;
  #resources = NOTHING;
  #tid = 0;
  #asked = 0; // when it was asked what it has not answered
  #over = false;

  constructor(spec: QueueSpec, events: ThreadEvents) {
    this.queue = spec.queue;
    this.thread = spec.thread;
    this.#spec = spec;
    this.#events = events;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
    this.#worker = new Worker(PROGRAM, { name: `ublk${spec.device} ${servedBy(spec)}` });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#heard(data);
    this.#worker.onerror = (event) => {
      // Not handled in the Worker itself: it failed while loading.
      event.preventDefault?.();
      const error = new Error(event.message);
      if (this.#attached !== undefined) this.#failed(error);
      else {
        // The guards of the Worker failed themselves. What it leaves behind is cleaned up once it has ended.
        this.#events.fatal(error);
        this.#worker.terminate();
      }
    };
    this.#worker.addEventListener("close", () => this.#left());
  }

  /** Waits until the target is attached in the Worker. If that fails, or takes too long, nothing of the Worker stays. */
  async attach(module: string, shared: unknown, cpus: readonly number[], limit: StepLimit): Promise<void> {
    const where = `${module} in the Worker of ${servedBy(this.#spec)}`;
    limit.step = `the import of ${where}`;
    this.#opened = () => {
      limit.step = `attach() of ${where}`;
    };
    const attached = new Promise<void>((resolve, reject) => {
      this.#attached = { resolve, reject };
    });
    this.#post({ type: "attach", module, spec: this.#spec, shared, cpus, doorbell: this.#doorbell.inside, commands: this.#commands });
    const { signal } = limit;
    const abort = (): void => {
      if (this.#attached !== undefined) this.#failed(signal.reason as Error);
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    try {
      await attached;
    } catch (error) {
      await this.#discard();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  get isClosed(): boolean {
    return this.#shut || this.#gone || Atomics.load(this.#words, OPENING) === NEVER || (this.#over && this.#tid === 0);
  }

  /** Only of a thread that is gone and left its queue open: memory that a live thread uses must stay. */
  get resources(): QueueResources {
    return this.#gone && !this.#shut ? this.#resources : NOTHING;
  }

  /** The Worker itself, for tests that kill it. @internal */
  get worker(): Worker {
    return this.#worker;
  }

  start(): void {
    this.#post({ type: "start" });
  }

  /** Has it load the module anew and attach it, beside what serves. Answers what that can do. */
  prepare(): Promise<Capabilities> {
    this.#prepared = Promise.withResolvers<Capabilities>();
    this.#tell({ type: "prepare" });
    return this.#prepared.promise;
  }

  /** What was prepared serves from now on, once what is open is answered, which may take `limitMs`. Answers whether it does. */
  exchange(limitMs: number): Promise<boolean> {
    this.#exchanged = Promise.withResolvers<boolean>();
    this.#tell({ type: "exchange", limitMs });
    return this.#exchanged.promise;
  }

  /** What was prepared is not used. */
  discard(): void {
    this.#tell({ type: "discard" });
  }

  forgetShared(): boolean {
    if (this.isClosed || this.#over) return false;
    this.#command(FORGET);
    return true;
  }

  refuse(ms: number): void {
    Atomics.store(this.#words, REFUSE_MS, ms);
    this.#command(REFUSE);
  }

  look(ms: number): void {
    if (this.unheard > 0) return; // it has been asked
    this.#asked = performance.now();
    Atomics.store(this.#words, LOOK_MS, ms);
    Atomics.store(this.#words, HEARD, 0);
    this.#command(LOOK);
  }

  get unheard(): number {
    return this.#over || this.#asked === 0 || Atomics.load(this.#words, HEARD) === 1 ? 0 : performance.now() - this.#asked;
  }

  async answers(limitMs: number): Promise<boolean> {
    Atomics.store(this.#words, ALIVE, 0);
    this.#command(PING);
    for (const until = performance.now() + limitMs; performance.now() < until; ) {
      if (this.#over || Atomics.load(this.#words, ALIVE) === 1) return true;
      await Bun.sleep(2);
    }
    return false;
  }

  depart(): void {
    this.#command(DEPART);
  }

  abort(): void {
    Atomics.compareExchange(this.#words, OPENING, NOT_YET, NEVER);
    this.#command(ABORT);
  }

  /** Ends a Worker that does not answer. It stays pending until its system call returns. */
  terminate(): void {
    this.#command(ABORT);
    this.#worker.terminate();
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  // A thread that serves may be in the kernel, and hears the bell only.
  #tell(message: ToWorker): void {
    if (this.#over) {
      this.#giveUpReload();
      return;
    }
    this.#post(message);
    this.#command(LISTEN);
  }

  #giveUpReload(): void {
    this.#prepared?.reject(new Error("the device was given up"));
    this.#exchanged?.resolve(false);
  }

  #command(bit: number): void {
    if (this.#over) return;
    Atomics.or(this.#words, COMMAND, bit);
    this.#doorbell.ring();
  }

  #heard(message: FromWorker): void {
    switch (message.type) {
      case "opened":
        this.#resources = message.resources;
        this.#tid = message.tid;
        this.#opened?.();
        break;
      case "attached":
        this.capabilities = message.capabilities;
        this.#attached?.resolve();
        this.#attached = undefined;
        break;
      case "failed":
        this.#failed(message.error);
        break;
      case "prepared":
        this.#prepared?.resolve(message.capabilities);
        break;
      case "unprepared":
        this.#prepared?.reject(message.error);
        break;
      case "exchanged":
        this.#exchanged?.resolve(message.done);
        break;
      case "requesterror":
        this.#events.requestError(message.error, message.op, message.offset, message.length);
        break;
      case "slow":
        this.#events.slow(this, message.report);
        break;
      case "fatal":
        this.#events.fatal(message.error);
        break;
      case "broken":
        this.#events.died(message.error);
        break;
      case "closed":
        this.#resources = NOTHING;
        if (this.#attached === undefined) this.#finish();
        else this.#failed(new Error("the device was given up"));
    }
  }

  // Memory that a live thread uses must stay: what it has opened is closed once it has ended.
  async #discard(): Promise<void> {
    try {
      await withLimit(this.#ended.promise, END_MS, "the Worker did not end");
    } catch {
      return; // stuck where nothing ends it: what it holds goes with the process
    }
    if (!this.#shut) release(this.#resources);
    this.#resources = NOTHING;
  }

  #failed(error: Error): void {
    const attached = this.#attached;
    this.#attached = undefined;
    this.#finish();
    if (attached !== undefined) attached.reject(error);
    else this.#events.fatal(error);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#giveUpReload();
    this.#worker.terminate();
    this.#doorbell.close();
    this.#close();
  }

  #left(): void {
    this.#ended.resolve();
    if (this.#over) return;
    this.#over = true;
    this.#giveUpReload();
    this.#doorbell.close();
    const asked = Atomics.load(this.#words, QUEUE_STATE) === LEFT;
    const error = new Error(asked ? "the device was given up" : `the Worker that served ${servedBy(this.#spec)} ended`);
    if (this.#attached !== undefined) {
      this.#attached.reject(error);
      this.#attached = undefined;
    } else if (!asked) this.#events.died(error);
    void this.#closeWhenGone();
  }

  async #closeWhenGone(): Promise<void> {
    for (const until = performance.now() + END_MS; !this.isClosed && performance.now() < until; ) await Bun.sleep(1);
    this.#close();
  }

  get #shut(): boolean {
    return Atomics.load(this.#words, QUEUE_STATE) === SHUT;
  }

  // Bun says that a Worker has ended while its thread is still on its way out of the kernel.
  get #gone(): boolean {
    return this.#tid !== 0 && !existsSync(`/proc/self/task/${this.#tid}`);
  }
}
