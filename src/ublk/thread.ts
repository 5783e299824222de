import { sys } from "../ffi/index.ts";
import type { Capabilities } from "./methods.ts";
import type { QueueResources } from "./queue-spec.ts";
import type { SlowReport } from "./slow-requests.ts";

/** What a serving thread reports to its device. */
export interface ThreadEvents {
  requestError(error: unknown, op: number, offset: number, length: number): void;
  /** Requests of a queue have been open for longer than the thread was asked to look for. */
  slow(thread: Pick<QueueThread, "queue" | "thread">, report: SlowReport): void;
  /** Something broke outside a request: the device must stop, and can, because the thread still serves. */
  fatal(error: Error): void;
  /** The thread is gone without having closed its queue: nobody answers for its tags. */
  died(error: Error): void;
}

/** A thread that serves one queue or its share of one, or will: the calling one, or a Worker. */
export interface QueueThread {
  /** The hardware queue it serves. */
  readonly queue: number;
  /** Which of the queue's threads it is, from 0. */
  readonly thread: number;
  /** What the target takes, once it is attached. */
  readonly capabilities: Capabilities;
  /** Resolves when every tag is gone and the queue is closed. */
  readonly closed: Promise<void>;
  /** The same as a fact, for whoever cannot wait. */
  readonly isClosed: boolean;
  /** Fetches the tags and serves. */
  start(): void;
  /** Whether the thread still takes commands; false when it has not said so within the limit. */
  answers(limitMs: number): Promise<boolean>;
  /** Has it tell of requests that have been open for `ms` or longer. */
  look(ms: number): void;
  /** It is the calling one. */
  readonly local: boolean;
  /** For how long it has not answered {@link QueueThread.look}, in milliseconds. */
  readonly unheard: number;
  /** Fails what has been open for `ms` or longer: its signal aborts, its operations are cancelled. */
  refuse(ms: number): void;
  /** Closes the queue once it has nothing in its hands: of a device that is frozen. */
  depart(): void;
  /** Leaves the loop and closes the queue without an orderly stop; the kernel takes back what was open. */
  abort(): void;
  /** Has it let go of shared memory that is about to be unmapped, and say so in the table. Answers whether it will: the calling one need not. */
  forgetShared(): boolean;
  /** What is left of a thread that died. */
  readonly resources: QueueResources;
}

/** What a thread that has closed its queue holds. */
export const NOTHING: QueueResources = { fds: [], mappings: [] };

/** Closes and unmaps what a dead thread left. */
export function release({ fds, mappings }: QueueResources): void {
  for (const { address, length } of mappings) sys.munmap(address, length);
  for (const fd of fds) sys.close(fd);
}
