import { blockErrnoOf } from "../ffi/index.ts";
import type { Extras } from "./extras.ts";
import type { QueueEvents } from "./queue-spec.ts";
import type { UblkRequest } from "./request.ts";
import type { TagMembers } from "./tag-members.ts";
import { HELD, IN_HANDLER, isOpen, OPEN } from "./tag-states.ts";
import type { TagTable } from "./tag-table.ts";

const EIO = -5;

/** What {@link Failures} consult. */
export interface FailureParts {
  readonly tags: TagTable;
  readonly members: TagMembers;
  readonly extras: Extras;
  readonly events: Pick<QueueEvents, "requestError">;
  readonly driver: { microtasksDue: boolean };
  /** The queue's request object. */
  readonly request: UblkRequest;
  /** An operation of the request completed: the target goes on with it. */
  readonly completed: (request: UblkRequest, result: number, member: number) => void;
  /** Ends a request with an error. */
  readonly fail: (tag: number, errno: number) => void;
}

/**
 * How requests end that do not end as the target meant: what it throws is that request's failure, and a stop does not wait for ever. While
 * operations use a request's data it stays open: it fails when the last of them is over.
 */
export class Failures {
  readonly #parts: FailureParts;
  readonly #late = new Map<number, unknown>(); // requests that fail when the last of their operations is over

  constructor(parts: FailureParts) {
    this.#parts = parts;
    parts.extras.leases.events = { lent: (tag) => parts.tags.leaveOpen(tag, HELD), returned: (tag) => this.#returned(tag) };
  }

  /** The target threw while it looked at a request. */
  threw(tag: number, error: unknown): void {
    const { events, request, tags } = this.#parts;
    request.tag = tag;
    const { op, offset, length } = request;
    request.tag = -1;
    const state = tags.states[tag];
    if (state === IN_HANDLER || state === OPEN || state === HELD) this.#fail(tag, error);
    events.requestError(error, op, offset, length);
  }

  /** One of a request's own operations completed. */
  onMember(tag: number, result: number, member: number): void {
    if (this.#late.size > 0 && this.#late.has(tag)) {
      this.#failNow(tag);
      return;
    }
    const { completed, request, tags } = this.#parts;
    request.tag = tag;
    try {
      completed(request, result, member);
      if (tags.states[tag] === HELD && !tags.busy(tag))
        throw new TypeError("completed() returned without finishing the request or starting another operation");
    } catch (error) {
      this.threw(tag, error);
    }
    request.tag = -1;
  }

  /** A request is not waited for any longer. */
  abort(tag: number): void {
    const { extras, members, tags } = this.#parts;
    extras.signals.abort(tag);
    if (!isOpen(tags.states[tag]!)) return; // the abort made its handler finish it
    // What runs on its data ends by itself, cancelled or through, and ends the request with it.
    members.cancel(tag);
    if (tags.selfEnding[tag] !== 0) return;
    extras.leases.cancel(tag);
    if (tags.busy(tag)) {
      // A target that has members goes on with what comes of them.
      if (members.pending(tag) === 0) this.#late.set(tag, EIO);
      return;
    }
    extras.turns?.forget(tag);
    tags.waitsNoMore(tag);
    this.#parts.fail(tag, EIO);
  }

  #fail(tag: number, error: unknown): void {
    if (this.#parts.tags.busy(tag)) this.#late.set(tag, error);
    else this.#parts.fail(tag, typeof error === "number" ? error : blockErrnoOf(error));
  }

  #failNow(tag: number): void {
    if (this.#parts.tags.busy(tag)) return;
    const error = this.#late.get(tag);
    this.#late.delete(tag);
    this.#fail(tag, error);
  }

  // What was lent is back. In a turn of its own: it may have been lent by a handler that still runs, to what could not be queued.
  #returned(tag: number): void {
    const { driver, tags } = this.#parts;
    if (tags.states[tag] !== HELD && !this.#late.has(tag)) return; // whoever has the token ends it
    driver.microtasksDue = true;
    queueMicrotask(() => {
      if (tags.closed || tags.busy(tag)) return;
      if (this.#late.has(tag)) this.#failNow(tag);
      else if (tags.states[tag] === HELD)
        this.threw(
          tag,
          new TypeError("the operations on the request's data are over, and nothing ends the request: defer it, or return the plan"),
        );
    });
  }
}
