import type { Ring } from "../uring/index.ts";
import { Lease, type LeaseEvents } from "./lease.ts";

/** The leases of a queue's requests, made when they are asked for; and which requests fail as soon as nothing uses their data any more. */
export class TagLeases {
  /** Told of what is lent. */
  events: LeaseEvents = { lent() {}, returned() {} };
  readonly #ring: Ring;
  readonly #leases = new Map<number, Lease>();
  readonly #doomed = new Map<number, unknown>();

  constructor(ring: Ring) {
    this.#ring = ring;
  }

  /** Whether any request has one, or is doomed. */
  get any(): boolean {
    return this.#leases.size > 0 || this.#doomed.size > 0;
  }

  /** The lease of a tag's request. */
  of(tag: number): Lease {
    let lease = this.#leases.get(tag);
    if (lease === undefined) this.#leases.set(tag, (lease = new Lease(this.#ring.raw, tag, this.events)));
    return lease;
  }

  /** The same, if it has one. */
  existing(tag: number): Lease | undefined {
    return this.#leases.get(tag);
  }

  /** Operations in flight that use a tag's data. */
  pending(tag: number): number {
    return this.#leases.size === 0 ? 0 : (this.#leases.get(tag)?.slots.size ?? 0);
  }

  /** The request fails with this error when nothing uses its data: what does is cancelled, and nothing more is lent. Once is enough. */
  doom(tag: number, error: unknown): void {
    if (this.#doomed.has(tag)) return;
    this.#doomed.set(tag, error);
    this.cancel(tag);
  }

  /** Whether that was said of a tag's request. */
  isDoomed(tag: number): boolean {
    return this.#doomed.size > 0 && this.#doomed.has(tag);
  }

  /** With what error it fails. */
  errorOf(tag: number): unknown {
    return this.#doomed.get(tag);
  }

  /** Asks the kernel to cancel what uses a tag's data. It ends with its own CQEs. */
  cancel(tag: number): void {
    for (const slot of [...(this.#leases.get(tag)?.slots ?? [])]) this.#ring.cancels.add(slot);
  }

  /** The tag's request is finished: nothing of it is lent any more. */
  end(tag: number): void {
    if (this.#leases.size > 0) {
      this.#leases.get(tag)?.end();
      this.#leases.delete(tag);
    }
    if (this.#doomed.size > 0) this.#doomed.delete(tag);
  }
}
