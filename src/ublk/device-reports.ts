import type { EventEmitter } from "node:events";
import type { DeviceEvents, DeviceStateName, SlowEvent } from "./device-types.ts";
import { opName } from "./op.ts";
import { RequestReporter } from "./request-reporter.ts";
import type { ThreadEvents } from "./thread.ts";

/** What a device has to say, to its listeners; where nobody listens, what must not be lost goes to stderr. */
export class DeviceReports {
  /** After how long a request's server is ended by the kernel. */
  killMs: () => number | undefined = () => undefined;
  readonly #emitter: EventEmitter<DeviceEvents>;
  readonly #path: string;
  readonly #requests = new RequestReporter();

  constructor(emitter: EventEmitter<DeviceEvents>, path: string) {
    this.#emitter = emitter;
    this.#path = path;
  }

  /** The device came to another place in its life. */
  state(state: DeviceStateName): void {
    this.#tell(() => this.#emitter.emit("state", state));
  }

  /** The device fails as a whole; what becomes of it, in words. */
  failure(error: Error, becomes: string): void {
    if (this.#emitter.listenerCount("failure") > 0) this.#tell(() => this.#emitter.emit("failure", error));
    else process.stderr.write(`uring-ublk: ${this.#path} failed and ${becomes}: ${error.stack ?? error.message}\n`);
  }

  /** The target's module was loaded anew, or could not be. */
  reload(error: Error | undefined): void {
    if (this.#emitter.listenerCount("reload") > 0) this.#tell(() => this.#emitter.emit("reload", error));
    else if (error !== undefined)
      process.stderr.write(`uring-ublk: ${this.#path} is served by the old code: ${error.stack ?? error.message}\n`);
  }

  /** Something did not work that the disk can do without. */
  warn(error: Error): void {
    process.stderr.write(`uring-ublk: ${this.#path}: ${error.message}\n`);
  }

  /** Something takes too long. */
  slow(found: Omit<SlowEvent, "killMs">): void {
    const event: SlowEvent = { ...found, killMs: this.killMs() };
    if (this.#emitter.listenerCount("slow") > 0) this.#tell(() => this.#emitter.emit("slow", event));
    else process.stderr.write(`uring-ublk: ${this.#path}: ${inWords(event)}\n`);
  }

  /** What serving threads tell, but for their own ends. */
  threads({ fatal, died }: Pick<ThreadEvents, "fatal" | "died">): ThreadEvents {
    return {
      requestError: (error, op, offset, length) => this.requestError(error, op, offset, length),
      slow: ({ queue, thread }, { ms, requests, op, offset, length }) =>
        this.slow({ queue, thread, ms, requests, request: { op: opName(op), offset, length } }),
      fatal,
      died,
    };
  }

  /** A request failed by a throw of the target. */
  requestError(error: unknown, op: number, offset: number, length: number): void {
    const event = { error, op: opName(op), offset, length };
    if (this.#emitter.listenerCount("requesterror") > 0) this.#tell(() => this.#emitter.emit("requesterror", event));
    else this.#requests.report(this.#path, event);
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
}

function inWords({ queue, thread, ms, requests, request, killMs }: SlowEvent): string {
  const where = `queue ${queue}${thread > 0 ? `, thread ${thread}` : ""}`;
  const time = `${Math.round(ms)} ms`;
  const end = killMs === undefined ? "" : `. The disk is unprivileged: the kernel ends its server (SIGKILL) after ${killMs} ms`;
  if (request === undefined)
    return `the thread of ${where} has not come back to its loop for ${time}: a handler blocks it, or something else${end}`;
  const { op, offset, length } = request;
  const others = requests > 1 ? `, the oldest of ${requests}` : "";
  return `a ${op} of ${length} bytes at ${offset} (${where}) has been open for ${time}${others}${end}`;
}
