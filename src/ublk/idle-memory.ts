import { addressOf } from "../ffi/index.ts";
import { type Driver, type RawRing, abi as uring } from "../uring/index.ts";
import { io_timespec } from "../uring/structs.ts";
import type { TagMemory } from "./tag-memory.ts";
import { FETCHING, IN_KERNEL } from "./tag-states.ts";

/** How often a queue looks whether it is idle. */
const LOOK_S = 5;
/** After so many looks at which nothing had happened its memory is given back. */
const LOOKS = 2;

/**
 * Gives the memory of a queue's tags back when nothing has been asked of it for ten seconds: one megabyte for each tag that ever had a large
 * request is much for a disk that sleeps. Costs a timer of the ring, and nothing per request.
 */
export class IdleMemory {
  readonly #raw: RawRing;
  readonly #driver: Driver;
  readonly #memory: TagMemory;
  readonly #states: Uint8Array;
  readonly #interval = io_timespec.build({ tv_sec: LOOK_S, tv_nsec: 0 }); // the kernel reads it
  readonly #slot: number;
  #queued = 0; // SQEs at the last look
  #quiet = 0; // looks since anything happened

  constructor(raw: RawRing, driver: Driver, memory: TagMemory, states: Uint8Array) {
    this.#raw = raw;
    this.#driver = driver;
    this.#memory = memory;
    this.#states = states;
    this.#slot = raw.allocate(() => this.#look());
  }

  /** Looks from now on. */
  start(): void {
    this.#raw.timeout(this.#slot, addressOf(this.#interval), 0, 0);
    this.#queued = this.#raw.queuedInAll;
  }

  #look(): void {
    if (this.#raw.closed) return;
    this.#quiet = this.#raw.queuedInAll === this.#queued ? this.#quiet + 1 : 0;
    if (this.#quiet === LOOKS) this.#giveBackSoon();
    this.start();
    this.#driver.kick();
  }

  // After the batch: further CQEs in it may be of requests, and their data is there already.
  #giveBackSoon(): void {
    const queued = this.#raw.queuedInAll + 1; // with the next look
    this.#driver.microtasksDue = true;
    queueMicrotask(() => {
      const raw = this.#raw;
      // Where the kernel delivers requests only in this thread's enter, none arrives between the question and the answer.
      const defers = (raw.record.flags & uring.IORING_SETUP_DEFER_TASKRUN) !== 0;
      if (raw.closed || !defers || raw.queuedInAll !== queued || raw.ready > 0) return;
      for (const [tag, state] of this.#states.entries()) if (state === IN_KERNEL || state === FETCHING) this.#memory.giveBack(tag);
    });
  }
}
