import { existsSync } from "node:fs";
import { sys } from "../ffi/index.ts";
import type { Capabilities } from "./methods.ts";
import type { QueueResources, QueueSpec } from "./queue-spec.ts";
import type { QueueThread, ThreadEvents } from "./thread.ts";
import {
  ABORT,
  ALIVE,
  COMMAND,
  COMMAND_WORDS,
  type FromWorker,
  LEFT,
  PING,
  QUEUE_STATE,
  REFUSE,
  REFUSE_MS,
  SHUT,
  type ToWorker,
} from "./worker-protocol.ts";

/** The Worker's program: beside this module in the sources, an entry of its own in the built package. */
const PROGRAM = import.meta.url.endsWith(".ts") ? new URL("./worker.ts", import.meta.url) : new URL("./ublk-worker.js", import.meta.url);

/** How long the thread of a Worker that has ended may take to leave the kernel. */
const EXIT_MS = 2_000;
const NOTHING: QueueResources = { fds: [], mappings: [] };

/** Serves a queue in a Worker that imports the target's module. */
export class WorkerThread implements QueueThread {
  readonly queue: number;
  readonly closed: Promise<void>;
  capabilities: Capabilities = { write: false, flush: false, discard: false, writeZeroes: false };
  readonly #worker: Worker;
  readonly #doorbell: number;
  readonly #commands = new SharedArrayBuffer(COMMAND_WORDS * 4);
  readonly #words = new Int32Array(this.#commands);
  readonly #events: ThreadEvents;
  readonly #close: () => void;
  #attached: { resolve(): void; reject(error: Error): void } | undefined;
  #resources = NOTHING;
  #tid = 0;
  #over = false;

  private constructor(spec: QueueSpec, events: ThreadEvents) {
    this.queue = spec.queue;
    this.#events = events;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
    this.#doorbell = sys.eventfd(0, 0);
    this.#worker = new Worker(PROGRAM, { name: `ublk${spec.device} queue ${spec.queue}` });
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
    this.#worker.addEventListener("close", () => this.#ended());
  }

  /** Starts the Worker and waits until the target is attached there. */
  static async start(
    spec: QueueSpec,
    module: string,
    shared: unknown,
    cpus: readonly number[],
    events: ThreadEvents,
    signal: AbortSignal,
  ): Promise<WorkerThread> {
    const thread = new WorkerThread(spec, events);
    const attached = new Promise<void>((resolve, reject) => {
      thread.#attached = { resolve, reject };
    });
    thread.#post({ type: "attach", module, spec, shared, cpus, doorbell: thread.#doorbell, commands: thread.#commands });
    const abort = (): void => thread.#failed(signal.reason as Error);
    signal.addEventListener("abort", abort);
    try {
      await attached;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    return thread;
  }

  get isClosed(): boolean {
    return this.#shut || this.#gone;
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

  refuse(ms: number): void {
    Atomics.store(this.#words, REFUSE_MS, ms);
    this.#command(REFUSE);
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

  abort(): void {
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

  #command(bit: number): void {
    if (this.#over) return;
    Atomics.or(this.#words, COMMAND, bit);
    sys.write(this.#doorbell, new BigUint64Array([1n]));
  }

  #heard(message: FromWorker): void {
    switch (message.type) {
      case "attached":
        this.capabilities = message.capabilities;
        this.#resources = message.resources;
        this.#tid = message.tid;
        this.#attached?.resolve();
        this.#attached = undefined;
        break;
      case "failed":
        this.#failed(message.error);
        break;
      case "requesterror":
        this.#events.requestError(message.error, message.op, message.offset, message.length);
        break;
      case "fatal":
        this.#events.fatal(message.error);
        break;
      case "broken":
        this.#events.died(message.error);
        break;
      case "closed":
        this.#resources = NOTHING;
        this.#finish();
    }
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
    this.#worker.terminate();
    sys.close(this.#doorbell);
    this.#close();
  }

  get #shut(): boolean {
    return Atomics.load(this.#words, QUEUE_STATE) === SHUT;
  }

  // Bun says that a Worker has ended while its thread is still on the way out of the kernel.
  get #gone(): boolean {
    return this.#tid !== 0 && !existsSync(`/proc/self/task/${this.#tid}`);
  }

  #ended(): void {
    if (this.#over) return;
    this.#over = true;
    sys.close(this.#doorbell);
    const error = new Error(`the Worker that served queue ${this.queue} ended`);
    if (this.#attached !== undefined) {
      this.#attached.reject(error);
      this.#attached = undefined;
    } else if (Atomics.load(this.#words, QUEUE_STATE) !== LEFT) this.#events.died(error);
    void this.#waitUntilGone();
  }

  async #waitUntilGone(): Promise<void> {
    for (const until = performance.now() + EXIT_MS; !this.isClosed && performance.now() < until; ) await Bun.sleep(1);
    this.#close();
  }
}
