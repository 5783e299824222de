import { IORING_OP_EPOLL_CTL, IORING_OP_EPOLL_WAIT } from "../abi.ts";
import { told } from "../error.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { epoll_event } from "../linux-structs.ts";
import { count, declare, Operation } from "../operation.ts";
import { checkChoice, checkInteger } from "../options.ts";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from "../process-constants.ts";

/** What {@link epollCtl} does with a file. */
export type EpollChange = "add" | "modify" | "delete";

const CHANGES: Readonly<Record<EpollChange, number>> = { add: EPOLL_CTL_ADD, modify: EPOLL_CTL_MOD, delete: EPOLL_CTL_DEL };

/** Options of {@link epollCtl}. */
export interface EpollCtlOptions {
  /** The epoll instance. */
  epfd: Fd;
  /** The file to watch. */
  fd: Fd;
  /** What to do with it. */
  change: EpollChange;
  /** `EPOLL*` events to watch for; not with `"delete"`. */
  events?: number;
  /** What {@link epollWait} tells with the events, below 2^53; default `fd`. */
  data?: number;
}

/** Options of {@link epollWait}. */
export interface EpollWaitOptions {
  /** The epoll instance: a descriptor, or a slot of the ring's file table. */
  epfd: Fd | FixedFile;
  /** How many events at most; default 64. */
  maxEvents?: number;
}

/** Events that an epoll instance reports. */
export interface EpollEvent {
  /** `EPOLL*` that are set. */
  readonly events: number;
  /** What {@link epollCtl} was given: the descriptor, unless told otherwise. */
  readonly data: number;
}

const MOST_EVENTS = 65536;

export const EPOLL_CTL = declare({
  name: "epollCtl",
  opcode: IORING_OP_EPOLL_CTL,
  syscall: "epoll_ctl(2)",
  since: "5.6",
  completions: "one",
  severs: true,
  options: ["epfd", "fd", "change", "events", "data"],
  hints: { EPERM: "the file cannot be watched, as regular files cannot" },
  raw(slot: number, epfd: number, fd: number, change: number, event: number) {
    this.prep(IORING_OP_EPOLL_CTL, slot, epfd, fd, event, change, 0, 0, 0, 0);
  },
  lower(o: EpollCtlOptions, l) {
    const change = CHANGES[checkChoice("epollCtl", "change", o.change, Object.keys(CHANGES) as EpollChange[])];
    if (change !== EPOLL_CTL_DEL && o.events === undefined) throw new TypeError("epollCtl: events is missing; give EPOLLIN, EPOLLOUT ...");
    const fd = l.descriptor("fd", o.fd);
    // EPOLLET is bit 31: an OR with it is negative in JavaScript.
    const events = checkInteger("epollCtl", "events", o.events === undefined ? 0 : o.events, -0x8000_0000, 0xffff_ffff) >>> 0;
    const event = epoll_event.build({ events, data: l.bytes("data", o.data === undefined ? fd : o.data) });
    return [l.descriptor("epfd", o.epfd), fd, change, l.memory(event)];
  },
  result: count,
});

export const EPOLL_WAIT = declare({
  name: "epollWait",
  opcode: IORING_OP_EPOLL_WAIT,
  syscall: "epoll_wait(2)",
  since: "6.15",
  completions: "one",
  severs: true,
  options: ["epfd", "maxEvents"],
  raw(slot: number, epfd: number, events: number, maxEvents: number) {
    this.prep(IORING_OP_EPOLL_WAIT, slot, epfd, 0, events, maxEvents, 0, 0, 0, 0);
  },
  lower(o: EpollWaitOptions, l) {
    const most = checkInteger("epollWait", "maxEvents", o.maxEvents === undefined ? 64 : o.maxEvents, 1, MOST_EVENTS);
    return [l.file(o.epfd, "epfd"), l.allocate(most * epoll_event.size), most];
  },
  result: (found, _flags, _o, l): EpollEvent[] =>
    Array.from({ length: told("epollWait", found, l.output.byteLength / epoll_event.size) }, (_, i) => ({
      events: epoll_event.get(l.output, "events", i * epoll_event.size),
      data: epoll_event.get(l.output, "data", i * epoll_event.size),
    })),
});

/**
 * Adds a file to an epoll instance, changes or removes it: `IORING_OP_EPOLL_CTL`, since 5.6; as `epoll_ctl(2)`. Resolves to 0.
 *
 * Errors: EEXIST (added twice), ENOENT (not there), EPERM (cannot be watched), EBADF, ELOOP, ENOSPC, EINVAL (`epfd` is no epoll instance).
 * An error severs a soft link. The event is copied at submission.
 *
 * @example
 * ```ts
 * import { EPOLLIN, epollCtl, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [epfd, fd] = [sys.epollCreate(), sys.eventfd(1, 0)];
 * console.log(await ring.run(epollCtl({ epfd, fd, change: "add", events: EPOLLIN }))); // 0
 * for (const each of [epfd, fd]) sys.close(each);
 * ```
 */
export const epollCtl = (options: EpollCtlOptions): Operation<number> => new Operation(EPOLL_CTL, options);

/**
 * Waits for events of an epoll instance: `IORING_OP_EPOLL_WAIT`, since 6.15; as `epoll_wait(2)` without a time limit. Resolves to the
 * events, one at least. For what exists on epoll already; new code polls with the ring itself.
 *
 * Errors: EINVAL (no epoll instance), EBADF. An error severs a soft link. The result's memory is the operation's own.
 *
 * @example
 * ```ts
 * import { EPOLLIN, epollCtl, epollWait, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [epfd, fd] = [sys.epollCreate(), sys.eventfd(1, 0)];
 * await ring.run(epollCtl({ epfd, fd, change: "add", events: EPOLLIN, data: 7 }));
 * const events = ring.supports(epollWait({ epfd })) ? await ring.run(epollWait({ epfd })) : [{ data: 7 }];
 * console.log(events[0]!.data); // 7
 * for (const each of [epfd, fd]) sys.close(each);
 * ```
 */
export const epollWait = (options: EpollWaitOptions): Operation<EpollEvent[]> => new Operation(EPOLL_WAIT, options);
