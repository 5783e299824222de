import type { InlineTarget, TargetDefinition } from "./target.ts";

/** A device's place in its life. `"left"`: this process serves it no more, and it waits for another server. */
export type DeviceStateName = "starting" | "live" | "stopping" | "stopped" | "left";

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

/**
 * Something has taken longer than `watchdogMs`, or of an unprivileged disk half as long as the kernel allows: requests that are open, or a thread
 * that does not come back to its loop.
 */
export interface SlowEvent {
  /** The hardware queue. */
  readonly queue: number;
  /** Which of the queue's threads: 0, unless there are `threads`. */
  readonly thread: number;
  /** For how long: the oldest request since its handler last left it open, or the thread. In milliseconds. */
  readonly ms: number;
  /** How many requests have become slow since the last event; 0 when it is the thread. */
  readonly requests: number;
  /** The oldest of them: `"READ"`, `"WRITE"`, ..., and its place in bytes; a FLUSH has none. */
  readonly request: { readonly op: string; readonly offset: number; readonly length: number } | undefined;
  /** Of an unprivileged disk: when a request has been open for so many milliseconds, the kernel ends this process by SIGKILL. */
  readonly killMs: number | undefined;
}

/** Events of a {@link UblkDevice}. */
export interface DeviceEvents {
  /** A target's method threw; the request was answered with the error's errno. Unheard ones go to stderr, one a second. */
  requesterror: [RequestErrorEvent];
  /** With `watchdogMs`, and of an unprivileged disk always: something takes too long. Unheard, it goes to stderr. */
  slow: [SlowEvent];
  /** With `hotReload`: the module was loaded anew. With an error it was not, and the old code serves on. Unheard, errors go to stderr. */
  reload: [Error | undefined];
  /** The device came to another place in its life. */
  state: [DeviceStateName];
  /** The device fails as a whole and is being stopped; {@link UblkDevice.finished} rejects with the error. */
  failure: [Error];
}

/** What can be served. */
export type Target<Options = never> = InlineTarget | TargetDefinition<Options, never> | TargetDefinition<Options, unknown> | URL | string;
