import { blockErrnoOf } from "../ffi/index.ts";
import type { Driver, Ring } from "../uring/index.ts";
import type { BufferCommands } from "./buffer-commands.ts";
import { HandRegistrations } from "./hand-registrations.ts";
import type { QueueEvents, QueueSpec } from "./queue-spec.ts";
import { Refusals } from "./refusals.ts";
import { Serializer } from "./serializer.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import { TagLeases } from "./tag-leases.ts";
import { TagSignals } from "./tag-signals.ts";

/** What {@link Extras} consult. */
export interface ExtrasParts {
  readonly ring: Ring;
  readonly driver: Driver;
  readonly spec: QueueSpec;
  readonly events: QueueEvents;
  /** Where the mode lends pages. */
  readonly lending: BufferCommands | undefined;
  readonly buffers: TagBuffers;
}

/** What some requests have besides a commit to their end: a signal, a lease, pages registered by hand, a refused commit, a turn; or a copy. */
export class Extras {
  readonly signals: TagSignals;
  readonly leases: TagLeases;
  readonly refusals: Refusals;
  readonly byHand: HandRegistrations;
  /** With `serialize`: whose turn it is. */
  readonly turns: Serializer | undefined;
  readonly #events: QueueEvents;
  readonly #buffers: TagBuffers;

  constructor({ ring, driver, spec, events, lending, buffers }: ExtrasParts) {
    this.signals = new TagSignals(spec.device);
    this.leases = new TagLeases(ring);
    this.refusals = new Refusals(spec);
    this.byHand = new HandRegistrations({ driver, spec, commands: lending, buffers, failed: (error) => events.failed(error) });
    this.turns = spec.serialize ? new Serializer() : undefined;
    this.#events = events;
    this.#buffers = buffers;
  }

  /** Whether any request has one. */
  get any(): boolean {
    if (this.turns !== undefined) return true;
    return this.signals.count > 0 || this.leases.any || this.refusals.count > 0 || this.byHand.earlyCount > 0;
  }

  /** A tag's request is about to be committed, in mode user-copy. Answers with what result: a copy may fail. */
  deliver(tag: number, op: number, result: number): number {
    try {
      this.#buffers.deliver(tag, op, result);
      return result;
    } catch (error) {
      this.#events.requestError(error, op, 0, 0);
      return blockErrnoOf(error);
    }
  }

  /** It is committed. Answers the tag whose turn it is now, or -1. */
  end(tag: number): number {
    this.signals.forget(tag);
    this.leases.end(tag);
    this.refusals.forget(tag);
    this.byHand.forget(tag);
    return this.turns === undefined ? -1 : this.turns.leave(tag);
  }
}
