import type { Capabilities } from "./methods.ts";
import type { QueueResources, QueueSpec } from "./queue-spec.ts";
import type { SlowReport } from "./slow-requests.ts";

/** What a serving Worker is told first. */
export interface AttachMessage {
  readonly type: "attach";
  readonly module: string;
  readonly spec: QueueSpec;
  readonly shared: unknown;
  /** CPUs whose requests arrive on this queue. */
  readonly cpus: readonly number[];
  /** The inside of the doorbell that makes the Worker look at the command word. */
  readonly doorbell: number;
  readonly commands: SharedArrayBuffer;
}

export type ToWorker =
  | AttachMessage
  | { readonly type: "start" }
  /** Loads the module anew, and attaches it. */
  | { readonly type: "prepare" }
  /** What was prepared serves from now on, once what is open is answered. */
  | { readonly type: "exchange"; readonly limitMs: number }
  /** What was prepared is not used. */
  | { readonly type: "discard" };

export type FromWorker =
  /** The module is imported and the queue is open; the target attaches now. */
  | { readonly type: "opened"; readonly resources: QueueResources; readonly tid: number }
  | { readonly type: "attached"; readonly capabilities: Capabilities }
  | { readonly type: "failed"; readonly error: Error }
  | { readonly type: "requesterror"; readonly error: unknown; readonly op: number; readonly offset: number; readonly length: number }
  | { readonly type: "slow"; readonly report: SlowReport }
  | { readonly type: "prepared"; readonly capabilities: Capabilities }
  | { readonly type: "unprepared"; readonly error: Error }
  | { readonly type: "exchanged"; readonly done: boolean }
  | { readonly type: "fatal"; readonly error: Error }
  | { readonly type: "broken"; readonly error: Error }
  | { readonly type: "closed" };

/** Words of the shared command array. */
export const COMMAND = 0;
/** What became of the queue, for whoever cannot wait for a message: {@link SERVING}, {@link SHUT} or {@link LEFT}. */
export const QUEUE_STATE = 3;
/** With REFUSE: how long a request must have been open to be failed, in milliseconds. */
export const REFUSE_MS = 2;
/** Set by a thread that answers a PING. */
export const ALIVE = 4;
/** Whether the Worker has begun to open its queue: the Worker sets OPENED, whoever gives it up before sets NEVER; who is first, decides. */
export const OPENING = 5;
export const NOT_YET = 0;
export const OPENED = 1;
export const NEVER = 2;
/** With LOOK: how long a request must have been open to be told of, in milliseconds. */
export const LOOK_MS = 6;
/** Set by a thread that answers a LOOK. */
export const HEARD = 7;
export const COMMAND_WORDS = 8;

/** The queue is open. */
export const SERVING = 0;
/** Every tag was given back and the Worker has closed the queue. */
export const SHUT = 1;
/** The Worker has left the queue as it is and ends: its device closes the queue once the thread is gone. */
export const LEFT = 2;

/** Commands, as bits. */
export const REFUSE = 1;
export const ABORT = 2;
/** Answered by setting {@link ALIVE}: the thread still takes commands. */
export const PING = 4;
/** Answered by setting {@link HEARD}, and with a message when there are slow requests. */
export const LOOK = 8;
/** Shared memory is about to be unmapped: answered in its table. */
export const FORGET = 16;
/** A message is on its way: the event loop brings it. */
export const LISTEN = 32;
/** The device is frozen: the queue is closed once it has nothing in its hands. */
export const DEPART = 64;
