import { addressOf } from "../ffi/index.ts";
import type { RawRing } from "./raw-ring.ts";
import { io_timespec } from "./structs.ts";

/** A kernel timer that ends a wait now and then: one CQE in 50 ms costs less than a time limit on every wait. */
export class Tick {
  /** It has come since it was armed. */
  due = false;
  readonly #raw: RawRing;
  readonly #timespec: DataView<ArrayBuffer>;
  #slot = -1;

  constructor(raw: RawRing, milliseconds: number) {
    this.#raw = raw;
    this.#timespec = io_timespec.build({ tv_sec: 0, tv_nsec: milliseconds * 1e6 });
  }

  /** Lets it come once more. */
  arm(): void {
    this.due = false;
    if (this.#slot < 0) this.#slot = this.#raw.allocate(() => this.#came());
    if (!this.#raw.inFlightAt(this.#slot)) this.#raw.timeout(this.#slot, addressOf(this.#timespec), 0, 0);
  }

  #came(): void {
    this.due = true;
    this.#raw.attention = true;
  }
}
