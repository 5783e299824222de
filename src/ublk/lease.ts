import type { Lender, RawRing } from "../uring/index.ts";

/** What a lease tells of its request. */
export interface LeaseEvents {
  /** An operation is about to use the request's data. Throws when it may not. */
  lent(tag: number): void;
  /** None uses it any more. */
  returned(tag: number): void;
}

const NONE: ReadonlySet<number> = new Set();

/**
 * The loan of one request's data to operations of its queue's ring. It knows which of them are in flight: the request does not end
 * before their last CQE, and nothing is lent after its end.
 */
export class Lease implements Lender {
  readonly #raw: RawRing;
  readonly #tag: number;
  readonly #events: LeaseEvents;
  #slots: Set<number> | undefined;
  #over = false;

  constructor(raw: RawRing, tag: number, events: LeaseEvents) {
    this.#raw = raw;
    this.#tag = tag;
    this.#events = events;
  }

  /** Slots of the operations that use it. */
  get slots(): ReadonlySet<number> {
    return this.#slots ?? NONE;
  }

  /** An operation is about to be queued. */
  lend(ring: object, slot: number): void {
    if (this.#over) throw new TypeError("the request is finished already: its data is not lent any more, its tag may have the next one's");
    if (ring !== this.#raw)
      throw new TypeError("the data of a request is lent to operations of its own queue's ring: run them on queue.ring");
    this.#events.lent(this.#tag);
    (this.#slots ??= new Set()).add(slot);
  }

  /** It is over, or was not queued after all. */
  giveBack(slot: number): void {
    this.#slots!.delete(slot);
    if (this.#slots!.size === 0 && !this.#over) this.#events.returned(this.#tag);
  }

  /** The request is over. */
  end(): void {
    this.#over = true;
  }
}
