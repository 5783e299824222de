import type { Extras } from "./extras.ts";
import type { QueueEvents, RequestHandler } from "./queue-spec.ts";
import type { UblkRequest } from "./request.ts";
import { errnoOfThrown } from "./results.ts";
import type { TagMembers } from "./tag-members.ts";
import { HELD, IN_HANDLER, isOpen, OPEN } from "./tag-states.ts";
import type { TagTable } from "./tag-table.ts";

const EIO = -5;

/** Turns that a handler's own continuation may take, of an `await` or two, to end a request that would fail. */
const HOPS = 6;

const soon = (hops: number, call: () => void): void => queueMicrotask(hops === 0 ? call : () => soon(hops - 1, call));

/** What {@link Failures} consult. */
export interface FailureParts {
  readonly tags: TagTable;
  readonly members: TagMembers;
  readonly extras: Extras;
  readonly events: Pick<QueueEvents, "requestError">;
  readonly driver: { microtasksDue: boolean };
  /** The queue's request object. */
  readonly request: UblkRequest;
  /** Ends a request with an error. */
  readonly fail: (tag: number, errno: number) => void;
}

/**
 * How requests end that do not end as the target meant: what it throws is that request's failure, and a stop does not wait for ever. While
 * operations use a request's data it stays open: it fails when the last of them is over.
 */
export class Failures {
  /** The target goes on with a request of which an operation has completed. */
  completed: RequestHandler["completed"];
  readonly #parts: FailureParts;

  constructor(parts: FailureParts) {
    this.#parts = parts;
    parts.extras.leases.events = { lent: (tag) => this.#lent(tag), returned: (tag) => this.#returned(tag) };
  }

  /** The target threw while it looked at a request. */
  threw(tag: number, error: unknown): void {
    const { events, request, tags } = this.#parts;
    request.tag = tag;
    const { op, offset, length } = request;
    request.tag = -1;
    const state = tags.states[tag];
    if (state === IN_HANDLER || state === OPEN || state === HELD) this.fail(tag, error);
    events.requestError(error, op, offset, length);
  }

  /** An open request fails: when nothing uses its data any more. */
  fail(tag: number, error: unknown): void {
    const { extras, tags } = this.#parts;
    if (tags.busy(tag)) extras.leases.doom(tag, error);
    else this.#parts.fail(tag, errnoOfThrown(error));
  }

  /** One of a request's own operations completed. */
  onMember(tag: number, result: number, member: number): void {
    const { extras, request, tags } = this.#parts;
    if (extras.leases.isDoomed(tag)) {
      this.#failNow(tag);
      return;
    }
    request.tag = tag;
    try {
      this.completed!(request, result, member);
      if (tags.states[tag] === HELD && !tags.busy(tag))
        throw new TypeError("completed() returned without finishing the request or starting another operation");
    } catch (error) {
      this.threw(tag, error);
    }
    request.tag = -1;
  }

  /** Requests that have been open since this time, or longer, are not waited for any longer. */
  abortSince(latest: number): void {
    const { since, states } = this.#parts.tags;
    for (const [tag, state] of states.entries()) if (isOpen(state) && since[tag]! <= latest) this.#abort(tag);
  }

  #abort(tag: number): void {
    const { extras, members, tags } = this.#parts;
    extras.signals.abort(tag);
    if (!isOpen(tags.states[tag]!)) return; // the abort made its handler finish it
    // What runs on its data ends by itself, cancelled or through, and ends the request with it.
    members.cancel(tag);
    if (tags.selfEnding[tag] !== 0) return;
    // A target that has members goes on with what comes of them.
    if (members.pending(tag) > 0) return;
    if (tags.busy(tag)) extras.leases.doom(tag, EIO);
    if (tags.busy(tag) || !isOpen(tags.states[tag]!)) return;
    extras.turns?.forget(tag);
    tags.waitsNoMore(tag);
    this.#parts.fail(tag, EIO);
  }

  #failNow(tag: number): void {
    const { extras, tags } = this.#parts;
    if (!tags.busy(tag)) this.#parts.fail(tag, errnoOfThrown(extras.leases.errorOf(tag)));
  }

  #lent(tag: number): void {
    const { extras, tags } = this.#parts;
    if (extras.leases.isDoomed(tag)) throw new TypeError("the request has failed already: its data is not lent any more");
    tags.leaveOpen(tag, HELD);
    if (extras.byHand.early) extras.byHand.use(tag);
  }

  // What was lent is back. Looked at later: a handler that still runs may have lent it, to what could not be queued, and who waits for the
  // operation may end the request.
  #returned(tag: number): void {
    const { driver, extras, tags } = this.#parts;
    const { leases } = extras;
    if (tags.states[tag] !== HELD && !leases.isDoomed(tag)) return; // whoever has the token ends it
    const lease = leases.existing(tag);
    driver.microtasksDue = true;
    soon(HOPS, () => {
      const state = tags.states[tag];
      if (tags.closed || leases.existing(tag) !== lease || tags.busy(tag) || (state !== OPEN && state !== HELD)) return;
      if (leases.isDoomed(tag)) this.#failNow(tag);
      else if (state === HELD)
        this.threw(
          tag,
          new TypeError("the operations on the request's data are over, and nothing ends the request: defer it, or return the plan"),
        );
    });
  }
}
