import { IORING_OP_LINK_TIMEOUT, IORING_OP_NOP128, IORING_OP_URING_CMD128, IORING_SETUP_IOPOLL, IOSQE_IO_LINK } from "./abi.ts";
import type { Host } from "./flight-host.ts";
import { Lowering } from "./lowering.ts";
import type { Operation } from "./operation.ts";
import type { RingRecord } from "./setup.ts";

const ENOENT = -2;
const EBUSY = -16;
const ETIME = -62;
const EALREADY = -114;
const ECANCELED = -125;

/** A CQE that waits for the limit's. */
interface Held {
  readonly result: number;
  readonly flags: number;
  readonly final: boolean;
}

/** Why operations cannot have a time limit on a ring; undefined where they can. */
export function limitProblem(record: RingRecord, opcodes: Uint8Array): Error | undefined {
  if (opcodes[IORING_OP_LINK_TIMEOUT] !== 1) return new TypeError("within: this kernel has no link timeouts; they came with Linux 5.5");
  if ((record.flags & IORING_SETUP_IOPOLL) !== 0)
    return new TypeError("within: a ring opened with iopoll has no timers; open another ring");
  if (record.cqEntries < 2)
    return new RangeError("within: the ring's CQ has one entry, and a limited operation needs two; open it with cqEntries: 2");
  return undefined;
}

/**
 * The time limit of an operation in flight: an SQE of its own behind the operation's, a slot, and an outcome.
 *
 * The two CQEs come in any order, and only the limit's tells whether an operation that was cancelled ran out of time. So the end of
 * the operation waits for the limit's CQE, which the kernel posts as soon as the operation is over.
 */
export class TimeLimit {
  /** Whether the time was over before the operation was. */
  expired = false;
  /** What the kernel had against the limit itself: an errno, or 0. */
  refused = 0;
  private readonly host: Host;
  private readonly lowering = new Lowering();
  private readonly words: readonly [time: number, flags: number];
  private readonly slot: number;
  private readonly target: number; // the operation's slot
  private readonly over: (held: readonly Held[]) => void;
  private readonly held: Held[] = [];
  private linked = false;
  private pending = false;
  private ended = false; // the operation is over

  /** Takes a slot. `over` gets what was held, in its order, once both are through. */
  constructor(host: Host, limit: Operation<unknown>, target: number, over: (held: readonly Held[]) => void) {
    this.host = host;
    this.target = target;
    this.over = over;
    this.lowering.begin("within", host.raw, target);
    // Before anything is queued: it may have to ask the kernel.
    this.words = limit.declaration.lower(limit.options as never, this.lowering) as unknown as [number, number];
    this.slot = host.raw.allocate((result) => this.complete(result));
  }

  /** Makes room, so that no submit comes between the operation and its limit and cuts the link. */
  reserve({ opcode }: Operation<unknown>): void {
    const { raw, target } = this;
    const wide = opcode === IORING_OP_NOP128 || opcode === IORING_OP_URING_CMD128;
    // A long SQE takes two positions of a mixed ring, and perhaps a NOP before, so that it does not wrap.
    this.linked = raw.reserve(target, wide && raw.record.sqe === "mixed" ? 4 : 2);
  }

  /** Queues the limit, right behind the operation's SQE. */
  queue(): void {
    const { raw, slot, words } = this;
    this.pending = true;
    if (this.linked) {
      raw.setFlags(IOSQE_IO_LINK);
      raw.linkTimeout(slot, words[0], words[1]);
    } else this.queueTimer();
  }

  /** The operation could not be queued: gives the slot back. */
  dispose(): void {
    if (!this.pending) this.raw.release(this.slot);
  }

  /** Whether a CQE of the operation must wait for the limit's. What succeeded with more to come need not. */
  holds(result: number, flags: number, final: boolean): boolean {
    if (final) this.end();
    if (!this.pending || (!final && result >= 0)) return false;
    this.held.push({ result, flags, final });
    return true;
  }

  private get raw(): Host["raw"] {
    return this.host.raw;
  }

  private end(): void {
    this.ended = true;
    // The kernel ends what is linked; a timer of its own must be told.
    if (this.pending && !this.linked) this.host.cancels.add(this.slot);
  }

  private complete(result: number): void {
    const heard = result === ETIME || result === EALREADY || result === ECANCELED || result === ENOENT;
    if (this.linked && !heard) {
      // The link was cut: the kernel takes 8 SQEs at a time from rings that share an SQPOLL thread, and stops when memory is short.
      this.linked = false;
      this.refused = result;
      if (!this.ended) {
        this.queueTimer();
        return;
      }
    }
    this.pending = false;
    this.raw.release(this.slot);
    // EALREADY: the operation is being carried out where a cancel does not reach it, or only as an interruption. ENOENT: it is over, or
    // had just been woken. The kernel does not come back to it.
    const missed = result === EALREADY || result === ENOENT;
    this.expired = result === ETIME || result === EALREADY || (result === ENOENT && !this.ended);
    if (this.expired && !this.ended && !this.linked) this.host.cancels.add(this.target);
    else if (missed && !this.ended) this.host.cancels.later(this.target);
    if (this.held.length > 0) this.over(this.held);
  }

  private queueTimer(): void {
    const { raw, slot, words, host } = this;
    try {
      raw.timeout(slot, words[0], 0, words[1]);
      host.driver.kick();
      if (this.ended) host.cancels.add(slot); // room was made, and it completed meanwhile
    } catch {
      // No room, or the ring has failed, which everybody is told: an operation without its limit must not go on.
      this.pending = false;
      this.refused = EBUSY;
      raw.release(slot);
      if (this.held.length > 0) this.over(this.held);
      else host.cancels.add(this.target);
    }
  }
}
