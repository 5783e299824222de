import { UblkError } from "./error.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { ARRIVING, FETCHING } from "./tag-states.ts";

/** How often a commit is repeated. */
const REPEATS = 3;

/**
 * Commands of tags that the kernel refused. After a commit the request is still ours, and a client waits for it: it is worth repeating,
 * though not for ever.
 */
export class Refusals {
  readonly #spec: QueueSpec;
  readonly #times = new Map<number, number>();

  constructor(spec: QueueSpec) {
    this.#spec = spec;
  }

  /** Tags whose commit was refused, and has not got through since. */
  get count(): number {
    return this.#times.size;
  }

  /** Counts a command that was refused of a tag in this state. Answers undefined while it is a commit to be repeated, and an error otherwise. */
  of(state: number, tag: number, errno: number): UblkError | undefined {
    if (state === FETCHING) return this.#error("FETCH_REQ", tag, errno);
    if (state === ARRIVING) return this.#error("NEED_GET_DATA", tag, errno);
    const times = (this.#times.get(tag) ?? 0) + 1;
    this.#times.set(tag, times);
    return times > REPEATS ? this.#error(this.#spec.batch ? "COMMIT_IO_CMDS" : "COMMIT_AND_FETCH_REQ", tag, errno) : undefined;
  }

  /** The tag's commit is another one from now on. */
  forget(tag: number): void {
    this.#times.delete(tag);
  }

  #error(command: string, tag: number, errno: number): UblkError {
    return new UblkError({ command, device: this.#spec.device, errno, subject: `queue ${this.#spec.queue} tag ${tag}` });
  }
}
