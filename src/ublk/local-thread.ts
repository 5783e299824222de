import { checkAttachment } from "./inline.ts";
import { type StepLimit, unlessAborted } from "./limits.ts";
import { type Capabilities, capabilitiesOf, handlerOf } from "./methods.ts";
import { UblkQueue } from "./queue.ts";
import type { QueueResources, QueueSpec } from "./queue-spec.ts";
import { whenQuiet } from "./quiet.ts";
import { SlowRequests } from "./slow-requests.ts";
import type { Attachment, TargetDefinition } from "./target.ts";
import { NOTHING, type QueueThread, type ThreadEvents } from "./thread.ts";

/** Serves a queue on the calling thread, from its event loop. */
export class LocalThread implements QueueThread {
  readonly queue: number;
  readonly thread = 0;
  readonly closed: Promise<void>;
  readonly local = true;
  readonly unheard = 0; // it answers whenever it asks
  readonly #queue: UblkQueue;
  readonly #events: ThreadEvents;
  readonly #close: () => void;
  readonly #slow: SlowRequests;
  #attachment: Attachment | undefined;

  constructor(spec: QueueSpec, events: ThreadEvents) {
    this.queue = spec.queue;
    this.#events = events;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
    this.#queue = new UblkQueue(spec, {
      requestError: events.requestError,
      failed: (error) => events.fatal(error),
      broken: (error) => events.died(error),
      // Not from inside the reap that brought the last tag: the ring is in use there.
      drained: () => setImmediate(() => this.abort()),
    });
    this.#slow = new SlowRequests(this.#queue);
  }

  /** Attaches the target. If that fails, or takes too long, the queue is closed. */
  async attach(target: TargetDefinition, shared: unknown, limit: StepLimit): Promise<void> {
    limit.step = `attach() of queue ${this.queue}`;
    try {
      const attaching = target.attach(this.#queue, shared);
      this.#attachment = checkAttachment(await unlessAborted(attaching, limit.signal, (late) => late.detach?.()));
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  get capabilities(): Capabilities {
    return capabilitiesOf(this.#attachment!);
  }

  get isClosed(): boolean {
    return this.#queue.closed;
  }

  /** The queue, for a process that is exiting. */
  get served(): UblkQueue {
    return this.#queue;
  }

  get resources(): QueueResources {
    return this.isClosed ? NOTHING : this.#queue.resources;
  }

  start(): void {
    this.#queue.start(handlerOf(this.#attachment!));
  }

  async answers(): Promise<boolean> {
    return true; // or nobody would have asked
  }

  look(ms: number): void {
    const report = this.#slow.find(ms);
    if (report !== undefined) this.#events.slow(this, report);
  }

  forgetShared(): boolean {
    return false; // whoever unmaps it detaches this thread's views
  }

  refuse(ms: number): void {
    this.#queue.refuse(ms);
  }

  depart(): void {
    void whenQuiet(this.#queue).then(() => this.abort());
  }

  abort(): void {
    if (this.isClosed) return;
    this.#queue.close();
    try {
      this.#attachment?.detach?.();
    } catch (error) {
      this.#events.fatal(error instanceof Error ? error : new Error(String(error)));
    }
    this.#close();
  }
}
