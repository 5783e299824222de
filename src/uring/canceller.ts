import { IORING_ASYNC_CANCEL_ANY, IORING_SETUP_SQPOLL } from "./abi.ts";
import type { RawRing } from "./raw-ring.ts";

/** An operation in flight, by its user_data. */
interface InFlightAt {
  readonly slot: number;
  readonly generation: number;
  /** It completes again and again. */
  readonly repeats: boolean;
  /** How often that was so. */
  missed: number;
}

const ENOENT = -2;
const EALREADY = -114;

/** How long until a cancel is tried again that a drain may hold up, or that has missed its operation. */
const AGAIN_MS = 5;
/** It grows to this. */
const AGAIN_MS_MOST = 640;
/** How often the cancel of what repeats is sent again at once. */
const SOON = 100;

/**
 * Sends a ring's cancels (`IORING_OP_ASYNC_CANCEL`). There may be more of them than free slots: those wait for the ones before,
 * and one whose operation has completed by then is dropped.
 *
 * On a ring that drains they would be of no use: a cancel behind a drain waits for it, and the drain for what is to be cancelled. There
 * the cancels go past the queue (`IORING_REGISTER_SYNC_CANCEL`, 6.0), again and again: what a drain holds up is found by no cancel
 * before it has begun. What a worker of an SQPOLL thread carries out is found only by a cancel of the queue (seen on 6.18): there both are
 * sent; while the kernel holds back what is behind a drain, neither reaches it.
 */
export class Canceller {
  readonly #raw: RawRing;
  readonly #polled: boolean;
  readonly #kept: () => number;
  readonly #kick: () => void;
  readonly #pending: InFlightAt[] = [];
  #heldUp: InFlightAt[] = [];
  #timer: Timer | undefined;

  /** `kick` submits what was queued; so many slots are `kept` for others. */
  constructor(raw: RawRing, kick: () => void, kept: () => number = () => 0) {
    this.#kept = kept;
    this.#raw = raw;
    this.#polled = (raw.record.flags & IORING_SETUP_SQPOLL) !== 0;
    this.#kick = kick;
  }

  /**
   * Cancels the slot's operation. It still ends with its own CQE.
   *
   * No cancel finds an operation that the kernel has just woken: a receive whose poll has fired and that will wait again because others
   * were quicker, or a tick of a timer, on a busy machine at nearly every look. Nor one that a worker carries out. So the cancel is sent
   * again while the operation is in flight: at once for one that `repeats`, whose completion has just been handled, else after a while.
   */
  add(slot: number, repeats = false): void {
    const target = { slot, generation: this.#raw.generation(slot), repeats, missed: 0 };
    if (this.#raw.drains) {
      this.#heldUp.push(target);
      this.#timer ??= setTimeout(() => this.#goPast(), 0);
    }
    if (!this.#raw.drains || this.#polled) {
      this.#pending.push(target);
      this.#send();
    }
    this.#kick();
  }

  /** Cancels the slot's operation unless it ends soon: a cancel of the kernel's own, of a LINK_TIMEOUT, has missed it. */
  later(slot: number): void {
    this.#missed({ slot, generation: this.#raw.generation(slot), repeats: false, missed: 0 });
  }

  /** Whether a drain may hold up what cancels an operation that no other way reaches. */
  get powerless(): boolean {
    return this.#polled && this.#raw.drains;
  }

  /** Cancels whatever is in flight (5.19; older kernels refuse, and nothing happens). */
  all(): void {
    if (this.#raw.drains) this.#now({ any: true });
    if ((!this.#raw.drains || this.#polled) && this.#raw.freeSlots > 0) this.#cancel(undefined, IORING_ASYNC_CANCEL_ANY);
    this.#kick();
  }

  #flies({ slot, generation }: InFlightAt): boolean {
    const raw = this.#raw;
    return !raw.closed && raw.failure === undefined && raw.inFlightAt(slot) && raw.generation(slot) === generation;
  }

  #goPast(): void {
    this.#heldUp = this.#heldUp.filter((target) => this.#flies(target));
    for (const { slot, generation } of this.#heldUp) this.#now({ target: { slot, generation } });
    this.#timer = this.#heldUp.length === 0 ? undefined : setTimeout(() => this.#goPast(), AGAIN_MS);
    this.#kick();
  }

  #now(match: { target: Pick<InFlightAt, "slot" | "generation"> } | { any: true }): void {
    try {
      this.#raw.register.syncCancel(match, 0);
    } catch {
      // Not begun, at work, over, or a kernel without it: the operation's own CQE tells, and until then it is tried again.
    }
  }

  #send(): void {
    while (this.#pending.length > 0 && this.#raw.freeSlots > this.#kept()) {
      const target = this.#pending.shift()!;
      // No flag means: by user_data. Kernels before 6.6 refuse the flag that says so.
      if (this.#flies(target)) this.#cancel(target, 0);
    }
  }

  // What is missed again and again may be found by no cancel at all: it is asked for less and less often.
  #missed(target: InFlightAt): void {
    const again = (): void => {
      this.#pending.push(target);
      this.#send();
      this.#kick();
    };
    const late = ++target.missed - (target.repeats ? SOON : 0);
    if (late < 0) again();
    else setTimeout(again, Math.min(AGAIN_MS << Math.min(late >> 2, 8), AGAIN_MS_MOST)).unref(); // what is in flight holds the process
  }

  #cancel(target: InFlightAt | undefined, flags: number): void {
    const raw = this.#raw;
    const own = raw.allocate((result) => {
      raw.release(own);
      if (target !== undefined && (result === ENOENT || result === EALREADY) && this.#flies(target)) this.#missed(target);
      this.#send();
    });
    try {
      raw.cancel(own, -1, target?.slot ?? 0, target?.generation ?? 0, flags);
    } catch {
      // The ring has failed or is closed: nothing is left to cancel, and an abort must not throw.
      if (!raw.inFlightAt(own)) raw.release(own);
      this.#pending.length = 0;
    }
  }
}
