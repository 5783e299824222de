import { IORING_OP_ASYNC_CANCEL } from "../abi.ts";
import { type CancelMatch, type LooseMatch, matchOf, matchOptions } from "../cancel-match.ts";
import type { Fd, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { declare, Operation } from "../operation.ts";

const FLAGS_SINCE = [
  [1, "IORING_ASYNC_CANCEL_ALL"],
  [2, "IORING_ASYNC_CANCEL_FD"],
  [4, "IORING_ASYNC_CANCEL_ANY"],
  [8, "IORING_ASYNC_CANCEL_FD_FIXED"],
  [16, "IORING_ASYNC_CANCEL_USERDATA"],
  [32, "IORING_ASYNC_CANCEL_OP"],
] as const;

type Words = [number, number, number, number, number];

function words(what: string, match: LooseMatch, l: Lowering): Words {
  const { fd, low, high, flags, opcode } = matchOf(what, match, l.ring);
  for (const [bit, name] of FLAGS_SINCE) if ((flags & bit) !== 0) l.needs(name);
  return [fd, low, high, flags, opcode];
}

const several = (match: LooseMatch): boolean => match.all === true || match.any === true;

export const ASYNC_CANCEL = declare({
  name: "cancel",
  opcode: IORING_OP_ASYNC_CANCEL,
  syscall: "none",
  since: "5.5",
  completions: "one",
  severs: true,
  options: matchOptions,
  hints: {
    ENOENT: "nothing in flight matches: it has ended, or was never queued on this ring",
    EALREADY: "it is being carried out at this moment and cannot be stopped; its own CQE tells how it ends",
  },
  raw(slot: number, fd: number, userDataLow: number, userDataHigh: number, flags: number, opcode: number = 0) {
    this.prep(IORING_OP_ASYNC_CANCEL, slot, fd, 0, 0, opcode, flags, 0, 0, 0);
    this.setWord(4, userDataLow);
    this.setWord(5, userDataHigh);
  },
  lower: (o: LooseMatch, l): Words => words("cancel", o, l),
  // With ALL or ANY the result is a number of operations, otherwise 0 says that one was found.
  result: (result: number, _flags: number, o: LooseMatch): number => (several(o) ? result : 1),
});

/** Options of {@link cancelFd}. */
export interface CancelFdOptions {
  /** The file whose operations are cancelled: a descriptor, or (6.0) a slot, for those that were queued with the slot. */
  fd: Fd | FixedFile;
}

const ASYNC_CANCEL_FD = declare({
  ...ASYNC_CANCEL,
  name: "cancelFd",
  since: "5.19",
  options: ["fd"],
  lower: (o: CancelFdOptions, l): Words => words("cancelFd", { fd: o.fd, all: true }, l),
  result: (result: number): number => result,
});

/**
 * Cancels operations of this ring: `IORING_OP_ASYNC_CANCEL`, since 5.5 by `target`, 5.19 by `fd`, with `all` or `any`, 6.6 by `opcode`
 * and with several of them at once. Nothing else does it for a system call.
 *
 * Resolves to how many were found. Each of them still completes by itself, mostly with ECANCELED, some with a result that was quicker.
 * An `AbortSignal` given to `ring.run` does the same for one operation and is simpler.
 *
 * Errors: ENOENT (nothing matches; with `all` or `any` that is 0 found), EALREADY (it is being carried out and cannot be stopped). In
 * a link: an error severs. No memory is used.
 *
 * @example
 * ```ts
 * import { abi, cancel, OperationHandle, Ring, timeout } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * const handle = new OperationHandle();
 * const timers = [ring.settle(timeout({ ms: 60_000 }), { handle }), ring.settle(timeout({ ms: 60_000 }))];
 * console.log(await ring.run(cancel({ target: handle }))); // 1
 * console.log(await ring.run(cancel({ any: true }))); // 1
 * console.log((await Promise.all(timers)).map(({ status }) => status).join()); // failed,failed
 * ```
 */
export const cancel = (options: CancelMatch): Operation<number> => new Operation(ASYNC_CANCEL, options);

/**
 * Cancels every operation of this ring on a file: `IORING_OP_ASYNC_CANCEL` with CANCEL_FD and CANCEL_ALL, since 5.19 (a slot 6.0).
 * Resolves to how many were found; they complete by themselves, mostly with ECANCELED. Errors: EALREADY; nothing found is 0. In a link:
 * an error severs. No memory is used. Nothing else does it for a system call.
 *
 * @example
 * ```ts
 * import { cancelFd, poll, POLLIN, Ring } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * const waiting = ring.settle(poll({ fd: near, events: POLLIN }));
 * console.log(await ring.run(cancelFd({ fd: near })), (await waiting).status); // 1 failed
 * sys.close(near);
 * sys.close(far);
 * ```
 */
export const cancelFd = (options: CancelFdOptions): Operation<number> => new Operation(ASYNC_CANCEL_FD, options);
