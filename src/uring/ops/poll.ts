import { IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE, IORING_POLL_ADD_MULTI, IORING_POLL_UPDATE_EVENTS } from "../abi.ts";
import { resolveTarget, type Target } from "../handle.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { count, declare, MultishotOperation, Operation } from "../operation.ts";
import { checkInteger } from "../options.ts";

/** Events of {@link poll} (`poll(2)`): there is something to read. */
export const POLLIN = 1;
/** There is urgent data. */
export const POLLPRI = 2;
/** Writing would not wait. */
export const POLLOUT = 4;
/** An error; always told. */
export const POLLERR = 8;
/** The peer is gone; always told. */
export const POLLHUP = 16;
/** The peer has shut its sending side. */
export const POLLRDHUP = 0x2000;

/** Options of {@link poll} and {@link pollMultishot}. */
export interface PollOptions {
  /** The file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** `POLL*` events to wait for. */
  events: number;
}

const eventsOf = (what: string, events: number): number => checkInteger(what, "events", events, 0, 0xffff_ffff);

export const POLL_ADD = declare({
  name: "poll",
  opcode: IORING_OP_POLL_ADD,
  syscall: "poll(2)",
  since: "5.1",
  completions: "one",
  severs: true,
  options: ["fd", "events"],
  raw(slot: number, fd: number, events: number) {
    this.prep(IORING_OP_POLL_ADD, slot, fd, 0, 0, 0, events, 0, 0, 0);
  },
  lower: (o: PollOptions, l) => [l.file(o.fd), eventsOf("poll", o.events)],
  result: count,
});

export const POLL_MULTISHOT = declare({
  name: "pollMultishot",
  opcode: IORING_OP_POLL_ADD,
  syscall: "poll(2)",
  since: "5.13",
  needs: "IORING_POLL_ADD_MULTI",
  completions: "many",
  options: ["fd", "events"],
  raw(slot: number, fd: number, events: number) {
    this.prep(IORING_OP_POLL_ADD, slot, fd, 0, 0, IORING_POLL_ADD_MULTI, events, 0, 0, 0);
  },
  lower: (o: PollOptions, l) => [l.file(o.fd), eventsOf("pollMultishot", o.events)],
  result: count,
  // It never ends by itself; the kernel ends it when the CQ is full.
  shots: { again: (result, _flags, o) => (result >= 0 ? o : undefined) },
});

/** Options of {@link pollRemove}. */
export interface PollRemoveOptions {
  /** The poll. */
  target: Target;
}

const GONE = { ENOENT: "the poll has completed, or was never queued on this ring", EALREADY: "the poll is completing at this moment" };

export const POLL_REMOVE = declare({
  name: "pollRemove",
  opcode: IORING_OP_POLL_REMOVE,
  syscall: "none",
  since: "5.1",
  completions: "one",
  severs: true,
  options: ["target"],
  hints: GONE,
  raw(slot: number, userDataLow: number, userDataHigh: number) {
    this.prep(IORING_OP_POLL_REMOVE, slot, -1, 0, 0, 0, 0, 0, 0, 0);
    this.setWord(4, userDataLow);
    this.setWord(5, userDataHigh);
  },
  lower(o: PollRemoveOptions, l) {
    const { slot, generation } = resolveTarget(o.target, l.ring, "pollRemove");
    return [slot, generation];
  },
  result: count,
});

/** Options of {@link pollUpdate}. */
export interface PollUpdateOptions {
  /** The poll. */
  target: Target;
  /** `POLL*` events to wait for from now on. */
  events: number;
}

export const POLL_UPDATE = declare({
  name: "pollUpdate",
  opcode: IORING_OP_POLL_REMOVE,
  syscall: "none",
  since: "5.13",
  needs: "IORING_POLL_UPDATE_EVENTS",
  completions: "one",
  severs: true,
  options: ["target", "events"],
  hints: GONE,
  raw(slot: number, userDataLow: number, userDataHigh: number, newLow: number, newHigh: number, events: number, flags: number) {
    this.prep(IORING_OP_POLL_REMOVE, slot, -1, 0, 0, flags, events, 0, 0, 0);
    this.setWord(2, newLow);
    this.setWord(3, newHigh);
    this.setWord(4, userDataLow);
    this.setWord(5, userDataHigh);
  },
  lower(o: PollUpdateOptions, l) {
    const { slot, generation } = resolveTarget(o.target, l.ring, "pollUpdate");
    const events = eventsOf("pollUpdate", o.events);
    return [slot, generation, 0, 0, events, IORING_POLL_UPDATE_EVENTS];
  },
  result: count,
});

/**
 * Waits until a file is ready: `IORING_OP_POLL_ADD`, since 5.1; as `poll(2)`. Resolves to the events that are set.
 *
 * Errors: EBADF; ECANCELED (aborted, {@link pollRemove}, {@link cancel}). In a link: an error severs. No memory is used.
 *
 * @example
 * ```ts
 * import { poll, POLLOUT, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * console.log((await ring.run(poll({ fd: near, events: POLLOUT }))) === POLLOUT); // true
 * sys.close(near);
 * sys.close(far);
 * ```
 */
export const poll = (options: PollOptions): Operation<number> => new Operation(POLL_ADD, options);

/**
 * Tells each time that a file becomes ready: `IORING_OP_POLL_ADD` with POLL_ADD_MULTI, since 5.13. `ring.run` of it is an async iterable
 * of the events that were set. It tells changes, not states: read until there is nothing left before the next step. As `poll(2)` in a
 * loop.
 *
 * Errors: EBADF; ECANCELED. No memory is used. It may not be combined with CQE_SKIP, nor stand in a link.
 *
 * @example
 * ```ts
 * import { pollMultishot, POLLIN, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * sys.write(far, new Uint8Array(1));
 * for await (const events of ring.run(pollMultishot({ fd: near, events: POLLIN }))) {
 *   console.log(events === POLLIN); // true
 *   break;
 * }
 * sys.close(near);
 * sys.close(far);
 * ```
 */
export const pollMultishot = (options: PollOptions): MultishotOperation<number> => new MultishotOperation(POLL_MULTISHOT, options);

/**
 * Ends a poll: `IORING_OP_POLL_REMOVE`, since 5.1. Resolves to 0; the poll itself ends with ECANCELED.
 *
 * Errors: ENOENT (it has completed), EALREADY (it is completing). In a link: an error severs. No memory is used.
 *
 * @example
 * ```ts
 * import { OperationHandle, poll, POLLIN, pollRemove, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * const handle = new OperationHandle();
 * const waiting = ring.settle(poll({ fd: near, events: POLLIN }), { handle });
 * console.log(await ring.run(pollRemove({ target: handle })), (await waiting).status); // 0 failed
 * sys.close(near);
 * sys.close(far);
 * ```
 */
export const pollRemove = (options: PollRemoveOptions): Operation<number> => new Operation(POLL_REMOVE, options);

/**
 * Has a poll wait for other events: `IORING_OP_POLL_REMOVE` with POLL_UPDATE_EVENTS, since 5.13. Resolves to 0; the poll goes on, and
 * completes when the new events are there already.
 *
 * Errors: ENOENT (it has completed), EALREADY (it is completing). In a link: an error severs. No memory is used.
 *
 * @example
 * ```ts
 * import { OperationHandle, poll, POLLIN, POLLOUT, pollUpdate, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * const handle = new OperationHandle();
 * const waiting = ring.run(poll({ fd: near, events: POLLIN }), { handle });
 * await ring.run(pollUpdate({ target: handle, events: POLLOUT }));
 * console.log((await waiting) === POLLOUT); // true
 * sys.close(near);
 * sys.close(far);
 * ```
 */
export const pollUpdate = (options: PollUpdateOptions): Operation<number> => new Operation(POLL_UPDATE, options);
