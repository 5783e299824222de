import { Canceller } from "../uring/canceller.ts";
import type { RawRing } from "../uring/index.ts";
import { Lease, type LeaseEvents } from "./lease.ts";

/** The leases of a queue's requests, made when they are asked for. */
export class TagLeases {
  /** Told of what is lent. */
  events: LeaseEvents = { lent() {}, returned() {} };
  readonly #raw: RawRing;
  readonly #cancels: Canceller;
  readonly #leases = new Map<number, Lease>();

  /** `kick` submits what was queued. */
  constructor(raw: RawRing, kick: () => void) {
    this.#raw = raw;
    this.#cancels = new Canceller(raw, kick);
  }

  /** Requests that have one. */
  get count(): number {
    return this.#leases.size;
  }

  /** The lease of a tag's request. */
  of(tag: number): Lease {
    let lease = this.#leases.get(tag);
    if (lease === undefined) this.#leases.set(tag, (lease = new Lease(this.#raw, tag, this.events)));
    return lease;
  }

  /** Operations in flight that use a tag's data. */
  pending(tag: number): number {
    return this.#leases.size === 0 ? 0 : (this.#leases.get(tag)?.slots.size ?? 0);
  }

  /** Asks the kernel to cancel them. They end with their own CQEs. */
  cancel(tag: number): void {
    for (const slot of this.#leases.get(tag)?.slots ?? []) this.#cancels.add(slot);
  }

  /** The tag's request is finished: nothing of it is lent any more. */
  end(tag: number): void {
    if (this.#leases.size === 0) return;
    this.#leases.get(tag)?.end();
    this.#leases.delete(tag);
  }
}
