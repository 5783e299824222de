import { drainMicrotasks } from "bun:jsc";
import { IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_IOPOLL } from "./abi.ts";
import type { DriverPolicy } from "./driver-policy.ts";
import { UringError } from "./error.ts";
import { kernelIsAtLeast } from "./kernel-release.ts";
import type { RawRing } from "./raw-ring.ts";
import { Tick } from "./tick.ts";
import { WakeUp } from "./wake-up.ts";

/** The longest a serving thread goes without a real turn of its event loop, and the shortest idleness that makes it sleep there. */
const TURN_MS = 50;
/** How long a thread that does not block stays with the ring in one turn. */
const BURST_MS = 1;
/** How long it waits in enter for the next batch after a non-empty one. */
const LINGER_NS = 200_000;
/** Microtask flushes in a row before one through the event loop, so that timers live. */
const MICROTASK_FLUSHES = 16;
const ETIME = -62;

// How a look between two batches ends.
const STAY = 0;
const COME_BACK = 1;
const LEAVE = 2;
const GO_ON = 3; // the tick was all that was due
/**
 * How often a ring with operations in flight is looked at without having been woken. Bun loses wake-ups and immediates of a turn of its event
 * loop in which something runs an event loop of its own (a test's `expect().rejects` does): that costs this much, and no more.
 */
const SWEEP_MS = 500;

/** What the event loop and the queue of microtasks call. */
interface Calls {
  readonly turn: () => void;
  readonly flush: () => void;
}

/**
 * Moves a ring: submits what was queued, waits, and runs the handlers; on the main thread and in Workers.
 *
 * A thread that serves blocks in enter while no handler awaits anything outside the ring, with a real turn of the event loop every
 * 50 ms; idle, or with something awaited, it sleeps in the event loop and an eventfd wakes it. Any other thread is never blocked
 * for more than about a millisecond. The process is held open while operations are in flight, and not longer.
 */
export class Driver {
  /** Called after every stay with the ring: operations that waited for room may be queued now. */
  afterBatch: (() => void) | undefined;
  readonly #raw: RawRing;
  readonly #policy: DriverPolicy;
  readonly #wakeUp: WakeUp;
  readonly #holder: Timer;
  readonly #searching: boolean;
  readonly #deaf: boolean;
  readonly #tick: Tick | undefined; // what bounds the stretches
  #held = false;
  #scheduled = false;
  private running = false;
  #draining = false;
  #releasing = false;
  #stopped = false;
  #yield = false;
  #busy = false;
  #microtasksDue = false;
  #flushes = 0;
  #woken = false;
  #found = false;
  #punctual = false;
  #calls = this.#makeCalls();
  #idle: (() => void)[] = [];

  constructor(raw: RawRing, policy: DriverPolicy = { serving: false }) {
    this.#raw = raw;
    this.#policy = policy;
    this.#wakeUp = new WakeUp(() => this.#wake());
    try {
      raw.register.eventfd(this.eventfd);
    } catch (error) {
      this.#wakeUp.close();
      throw error;
    }
    // Completions of a polled ring are only found by looking.
    this.#searching = (raw.record.flags & IORING_SETUP_IOPOLL) !== 0;
    // Linux 6.12 tells of work that waits for this thread's enter only once for each registration of an eventfd.
    this.#deaf = (raw.record.flags & IORING_SETUP_DEFER_TASKRUN) !== 0 && !kernelIsAtLeast("6.16");
    this.#tick = !policy.synchronous || policy.pulse ? new Tick(raw, TURN_MS) : undefined;
    this.#holder = setInterval(this.#sweep, SWEEP_MS);
    this.#holder.unref();
  }

  /** The eventfd that wakes the event loop. */
  get eventfd(): number {
    return this.#wakeUp.eventfd;
  }

  /** A handler has settled a promise: microtasks run before the next batch. */
  get microtasksDue(): boolean {
    return this.#microtasksDue;
  }
  /** Says that microtasks are due. */
  set microtasksDue(due: boolean) {
    this.#microtasksDue = due;
    this.#raw.attention = true;
  }

  /** Something was queued: submits it soon, together with what else is queued in this tick. */
  kick(): void {
    if (!this.running) this.schedule();
  }

  /** Ends a blocking stretch after the current batch: the event loop gets a real turn. For handlers of a doorbell. */
  yield(): void {
    this.#yield = true;
    this.#raw.attention = true;
  }

  /** What {@link DriverPolicy.awaiting} answers has changed: it is asked after the current batch. */
  reconsider(): void {
    this.#raw.attention = true;
  }

  /** Resolves when nothing is in flight, when the ring has failed or stopped, and in any case after `patienceMs`. */
  idle(patienceMs: number): Promise<void> {
    if (this.#ended() || (this.#raw.inFlight === 0 && !this.running)) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Stops driving. The eventfd stays: it is closed with the ring, by whoever closes that. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#raw.attention = true;
    clearInterval(this.#holder);
    this.#tellIdle();
    this.#wakeUp.stop();
  }

  /** Stops, and closes the eventfd. The ring itself is closed by its owner. */
  close(): void {
    this.stop();
    this.#wakeUp.close();
  }

  private schedule(): void {
    if (this.#scheduled || this.#ended()) return;
    this.#scheduled = true;
    this.#hold();
    // From the microtasks of a stay: it submits by itself when they return. If they do not (a nested event loop), the loop does.
    if (this.#draining || this.#policy.serving || this.#flushes >= MICROTASK_FLUSHES) setImmediate(this.#calls.turn);
    else {
      this.#flushes++;
      queueMicrotask(this.#calls.flush);
    }
  }

  // What comes after it was given up must not begin a second row of turns beside the first.
  #makeCalls(): Calls {
    const calls: Calls = {
      turn: () => {
        if (calls === this.#calls) this.#turn();
      },
      flush: () => {
        if (calls === this.#calls) this.#flush();
      },
    };
    return calls;
  }

  // A flush from a microtask only submits and reaps: the code that queued goes on as soon as its result is there.
  #flush(): void {
    this.#came();
    if (this.running || this.#ended()) return;
    let again = false;
    this.#guard(() => {
      again = this.#raw.enter(0) < 0;
      this.#raw.reap();
    });
    this.#settle(again);
  }

  // From the event loop itself: whatever else waited for it has had its turn.
  #turn(): void {
    this.#came();
    this.#flushes = 0;
    this.#stay();
  }

  #came(): void {
    this.#scheduled = false;
    this.#punctual = true;
  }

  // From the eventfd. Bun may find it readable without asking the event loop, one wake after the other: that must come to an end.
  #wake(): void {
    if (this.running) this.#woken = true;
    else if (this.#flushes >= MICROTASK_FLUSHES) this.kick();
    else if (!this.#scheduled) {
      this.#flushes++;
      this.#stay();
    }
  }

  #stay(): void {
    if (this.running || this.#ended()) return;
    let more = false;
    this.#guard(() => {
      // What arrived before the eventfd was switched on again shows in the burst behind an idle stretch.
      more = (this.#mayBlock() && this.#stretch()) || (!this.#ended() && this.#burst());
    });
    this.#settle(more);
  }

  readonly #sweep = (): void => {
    if (!this.running && this.#raw.inFlight === 0) this.#letGo(); // its own turn may not come either
    if (this.running || this.#raw.inFlight === 0 || this.#ended() || this.#awaited()) return;
    const asleep = this.#raw.eventfdEnabled; // whatever completed should have woken it
    this.#found = false;
    let more = false;
    this.#guard(() => {
      more = this.#burst();
    });
    if (!this.#wakeUp.heard() && asleep && this.#found) this.#wakeUp.renew();
    this.#settle(more);
  };

  // Whether a turn is to come. If none came since the last look, it is overdue.
  #awaited(): boolean {
    const punctual = this.#punctual;
    this.#punctual = false;
    if (!this.#scheduled) return false;
    if (punctual) return true;
    this.#scheduled = false;
    this.#calls = this.#makeCalls();
    return false;
  }

  #mayBlock(): boolean {
    return this.#policy.serving && this.#policy.awaiting?.() !== true;
  }

  // Bounded stay on a thread that must not be blocked. Answers whether there was more to do.
  #burst(): boolean {
    const raw = this.#raw;
    const until = performance.now() + BURST_MS;
    let wait = this.#busy; // the last stay ended because its time was up: there is more to come
    this.#busy = false;
    for (;;) {
      // Nobody needs to be woken while this looks, or is going to: reading the eventfd costs Bun more than serving a request.
      raw.eventfdEnabled = false;
      const entered = wait ? raw.enter(1, LINGER_NS) : raw.enter(0);
      const reaped = raw.reap();
      if (reaped > 0) this.#found = true;
      this.#microtasks();
      if (this.#ended()) return false;
      // An enter that was interrupted or refused has not looked for completions: it is repeated.
      const looked = entered >= 0 || entered === ETIME;
      if (raw.queued === 0 && (raw.inFlight === 0 || (reaped === 0 && looked)) && this.#isIdle()) return false;
      if (performance.now() >= until) {
        this.#busy = true;
        return true;
      }
      wait = true;
    }
  }

  // What completed before the eventfd was switched on again has woken nobody.
  #isIdle(): boolean {
    const raw = this.#raw;
    raw.eventfdEnabled = true;
    if (this.#deaf) {
      raw.register.unregisterEventfd();
      raw.register.eventfd(this.eventfd);
    }
    if (raw.inFlight === 0) return true;
    const entered = raw.enter(0);
    const reaped = raw.reap();
    this.#microtasks();
    return this.#ended() || (entered >= 0 && reaped === 0 && raw.queued === 0);
  }

  // Blocking service, until a real turn is due, nothing happened for a while, or a handler awaits. Answers whether to come back.
  #stretch(): boolean {
    const raw = this.#raw;
    let handled = 0;
    this.#listens(false);
    try {
      this.#tick?.arm();
      for (;;) {
        handled += raw.serve();
        if (!raw.attention) return false; // nothing is in flight: nothing could end the wait
        const leave = this.attend(handled);
        if (leave === GO_ON) {
          handled = 0;
          this.#tick!.arm();
        } else if (leave !== STAY) return leave === COME_BACK;
      }
    } finally {
      if (!raw.closed && !this.#stopped) this.#listens(true);
    }
  }

  // Nobody needs to be woken while this blocks. An eventfd that is switched off costs every CQE a look at it: a thread that serves for long
  // does without.
  #listens(on: boolean): void {
    const raw = this.#raw;
    raw.eventfdEnabled = on;
    if (!this.#policy.synchronous) return;
    if (on) raw.register.eventfd(this.eventfd);
    else raw.register.unregisterEventfd();
  }

  // Everything that can end a stretch, and what must run between two batches.
  private attend(handled: number): number {
    this.#raw.attention = false;
    this.#microtasks();
    if (this.#ended()) return LEAVE;
    if (this.#yield || !this.#mayBlock()) {
      this.#yield = false;
      return COME_BACK;
    }
    if (!this.#tick?.due) return STAY;
    if (handled <= 1) return LEAVE; // nothing but the tick itself
    return this.#policy.synchronous ? GO_ON : COME_BACK;
  }

  #microtasks(): void {
    if (!this.#microtasksDue) return;
    this.#microtasksDue = false;
    // This is foreign code, and it may run a whole event loop (a test's expect().rejects does): the ring must go on in there.
    this.running = false;
    this.#draining = true;
    const raw = this.#raw;
    const silent = !raw.eventfdEnabled;
    if (silent) raw.eventfdEnabled = true;
    try {
      drainMicrotasks();
    } finally {
      this.#draining = false;
      this.running = true;
      if (silent && !raw.closed) raw.eventfdEnabled = false;
    }
  }

  #ended(): boolean {
    return this.#stopped || this.#raw.closed || this.#raw.failure !== undefined;
  }

  #guard(work: () => void): void {
    this.running = true;
    try {
      work();
    } catch (error) {
      // Enter cannot work any more, or a handler threw where nobody listens: either way the ring is over.
      this.#raw.fail(error instanceof Error ? error : new UringError({ operation: "handler", errno: -5, cause: error }));
    } finally {
      this.running = false;
    }
  }

  // After every stay: come back at once, wait for the eventfd, or let the process go.
  #settle(more: boolean): void {
    if (this.#ended()) {
      this.stop(); // a failed ring must not hold the process
      return;
    }
    this.afterBatch?.();
    const raw = this.#raw;
    const woken = this.#woken;
    this.#woken = false;
    if (more || woken || raw.queued > 0 || raw.ready > 0 || (this.#searching && raw.inFlight > 0)) {
      this.#flushes = MICROTASK_FLUSHES; // what is left over goes through the event loop
      this.kick();
    }
    if (raw.inFlight > 0) {
      this.#hold();
      this.#wakeUp.listen();
    } else {
      this.#tellIdle();
      this.#release();
    }
  }

  #tellIdle(): void {
    for (const tell of this.#idle.splice(0)) tell();
  }

  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#holder.ref();
  }

  // Nothing is in flight: if that is still so after a turn of the event loop, nothing of ours keeps the process.
  #release(): void {
    if (!this.#held || this.#releasing) return;
    this.#releasing = true;
    setImmediate(this.#letGo);
  }

  readonly #letGo = (): void => {
    if (!this.#releasing) return;
    this.#releasing = false;
    this.#flushes = 0;
    if (this.#stopped || this.#raw.inFlight > 0 || this.#scheduled) return;
    this.#held = false;
    this.#holder.unref();
    this.#wakeUp.mute();
  };
}
