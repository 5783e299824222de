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
  /** Slots whose operation was not found, and its generation: it may be one that goes on. */
  readonly #missed = new Map<number, number>();

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

  /**
   * Cancels again what a cancel has missed: to be called when the slot's operation has completed and goes on. A timer that is due is not
   * found, because it has left the kernel's list of timers until it has told so.
   */
  repeat(slot: number): void {
    if (this.#missed.size === 0) return;
    const generation = this.#missed.get(slot);
    if (this.#missed.delete(slot) && generation === this.#raw.generation(slot)) this.add(slot);
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
    const own = raw.allocate((result) => {
      raw.release(own);
      if (result < 0 && flags === 0) this.#missed.set(slot, generation);
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
