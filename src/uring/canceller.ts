import { IORING_ASYNC_CANCEL_ANY } from "./abi.ts";
import type { RawRing } from "./raw-ring.ts";

/**
 * Sends a ring's cancels (`IORING_OP_ASYNC_CANCEL`). There may be more of them than free slots: those wait for the ones before,
 * and one whose operation has completed by then is dropped.
 */
export class Canceller {
  readonly #raw: RawRing;
  readonly #kick: () => void;
  readonly #pending: { slot: number; generation: number }[] = [];

  /** `kick` submits what was queued. */
  constructor(raw: RawRing, kick: () => void) {
    this.#raw = raw;
    this.#kick = kick;
  }

  /** Cancels the slot's operation. It still ends with its own CQE. */
  add(slot: number): void {
    this.#pending.push({ slot, generation: this.#raw.generation(slot) });
    this.#send();
    this.#kick();
  }

  /** Cancels whatever is in flight (5.19; older kernels refuse, and nothing happens). */
  all(): void {
    if (this.#raw.freeSlots > 0) this.#cancel(0, 0, IORING_ASYNC_CANCEL_ANY);
    this.#kick();
  }

  #send(): void {
    while (this.#pending.length > 0 && this.#raw.freeSlots > 0) {
      const { slot, generation } = this.#pending.shift()!;
      // No flag means: by user_data. Kernels before 6.6 refuse the flag that says so.
      if (this.#raw.inFlightAt(slot) && this.#raw.generation(slot) === generation) this.#cancel(slot, generation, 0);
    }
  }

  #cancel(slot: number, generation: number, flags: number): void {
    const raw = this.#raw;
    const own = raw.allocate(() => {
      raw.release(own);
      this.#send();
    });
    try {
      raw.cancel(own, -1, slot, generation, flags);
    } catch {
      // The ring has failed or is closed: nothing is left to cancel, and an abort must not throw.
      if (!raw.inFlightAt(own)) raw.release(own);
      this.#pending.length = 0;
    }
  }
}
