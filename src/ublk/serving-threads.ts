import { UBLK_F_UPDATE_SIZE } from "./abi.ts";
import type { UblkControl } from "./control.ts";
import { drainNow } from "./drain-now.ts";
import { StepLimit, withLimit } from "./limits.ts";
import { LocalThread } from "./local-thread.ts";
import type { Capabilities } from "./methods.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { stopFromOutside } from "./stop-device.ts";
import type { TargetDefinition } from "./target.ts";
import { type QueueThread, release, type ThreadEvents } from "./thread.ts";
import { servedBy } from "./threads.ts";
import { WorkerThread } from "./worker-thread.ts";

const ABORT_MS = 2_000;
/** How long a process that is exiting waits for the threads that serve: on a busy machine Workers take their time. */
const CLOSE_MS = 5_000;
const DRAIN_MS = 10_000;

/** What the queues of a device have in common, and what serves them. */
export interface ServingPlan {
  /** A queue's specification; the numbers of queue and thread are added. */
  readonly spec: Omit<QueueSpec, "queue" | "thread">;
  /** Hardware queues. */
  readonly queues: number;
  /** What is attached on the calling thread. */
  readonly target: TargetDefinition;
  /** What is imported and attached in Workers instead. */
  readonly module: string | undefined;
  /** What the target's `open` hands to every thread. */
  readonly shared: unknown;
  /** How long attaching may take for each thread. */
  readonly limitMs: number;
}

/** The threads that serve a device: one or more for each queue. */
export class ServingThreads {
  readonly #threads: QueueThread[] = [];

  /** The threads, in the order of their queues. */
  get all(): readonly QueueThread[] {
    return this.#threads;
  }

  /** What every thread can do; the kernel spreads requests over all of them. */
  get capabilities(): Capabilities {
    const all = (name: keyof Capabilities): boolean => this.#threads.every(({ capabilities }) => capabilities[name]);
    const [write, flush, discard, writeZeroes, zones] = [all("write"), all("flush"), all("discard"), all("writeZeroes"), all("zones")];
    return { write, flush, discard, writeZeroes, zones };
  }

  /** Resolves when every queue is closed. */
  get closed(): Promise<unknown> {
    return Promise.all(this.#threads.map((thread) => thread.closed));
  }

  /** Attaches the target once for every thread. Nothing is served yet. What is given up, by the limit or by `stop`, leaves nothing. */
  async attach(plan: ServingPlan, control: UblkControl, events: ThreadEvents, stop: AbortSignal): Promise<void> {
    const { target, module, shared } = plan;
    const { threads } = plan.spec;
    for (let index = 0; index < plan.queues * threads; index++) {
      const queue = Math.floor(index / threads);
      const spec = { ...plan.spec, queue, thread: index % threads };
      using limit = new StepLimit(plan.limitMs, servedBy(spec), stop);
      // Known before it is attached: the process may end meanwhile.
      if (module === undefined) await this.#add(new LocalThread(spec, events)).attach(target, shared, limit);
      else {
        const cpus = await control.getQueueAffinity(spec.device, queue);
        await this.#add(new WorkerThread(spec, events)).attach(module, shared, cpus, limit);
      }
      stop.throwIfAborted();
    }
  }

  /** Fetches the tags of every queue and serves. */
  start(): void {
    for (const thread of this.#threads) thread.start();
  }

  /** Whether all of them still take commands. */
  async answer(limitMs: number): Promise<boolean> {
    const answers = await Promise.all(this.#threads.map((thread) => thread.answers(limitMs)));
    return !answers.includes(false);
  }

  /** Fails what has been open for `ms` or longer. */
  refuse(ms: number): void {
    for (const thread of this.#threads) thread.refuse(ms);
  }

  /** Has every thread close its queue once it has nothing in its hands. Nothing must arrive any more. */
  depart(): void {
    for (const thread of this.#threads) thread.depart();
  }

  /** Makes every thread let go of its queue, the ones that do not hear included, and closes what a dead one has left. */
  async tearDown(): Promise<void> {
    for (const thread of this.#threads) thread.abort();
    await withLimit(this.closed, ABORT_MS, "").catch(() => {
      for (const thread of this.#threads) if (thread instanceof WorkerThread) thread.terminate();
    });
    await withLimit(this.closed, ABORT_MS, "").catch(() => {});
    for (const { resources } of this.#threads) release(resources);
  }

  /**
   * Stops the disk in order while this thread waits, in a process that is exiting, as far as this thread serves it. Linux 6.12 can lose a
   * request that arrives while a ring is closed beside a living thread, and its client with it; drivers since 6.16 answer it.
   */
  drainNow(device: number, features: number): void {
    if ((features & UBLK_F_UPDATE_SIZE) !== 0) return;
    const own = this.#threads.filter((thread) => thread instanceof LocalThread && !thread.isClosed) as LocalThread[];
    if (own.length > 0 && stopFromOutside(device))
      drainNow(
        own.map(({ served }) => served),
        DRAIN_MS,
      );
  }

  /** Makes them let go while this thread waits, in a process that is exiting. Answers whether all have. */
  tearDownNow(): boolean {
    for (const thread of this.#threads) thread.abort();
    const until = performance.now() + CLOSE_MS;
    while (!this.#closedNow() && performance.now() < until) Bun.sleepSync(1);
    for (const { resources } of this.#threads) release(resources);
    return this.#closedNow();
  }

  #add<Thread extends QueueThread>(thread: Thread): Thread {
    this.#threads.push(thread);
    return thread;
  }

  #closedNow(): boolean {
    return this.#threads.every((thread) => thread.isClosed);
  }
}
