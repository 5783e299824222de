import { IORING_OP_WAITID } from "../abi.ts";
import type { Fd } from "../handles.ts";
import { siginfo } from "../linux-structs.ts";
import { declare, Operation } from "../operation.ts";
import { checkChoice, checkInteger } from "../options.ts";
import { P_ALL, P_PGID, P_PID, P_PIDFD } from "../process-constants.ts";

/** Which children {@link waitid} waits for. */
export type WaitidType = "all" | "pid" | "pgid" | "pidfd";

const TYPES: Readonly<Record<WaitidType, number>> = { all: P_ALL, pid: P_PID, pgid: P_PGID, pidfd: P_PIDFD };

/** Options of {@link waitid}. */
export interface WaitidOptions {
  /** Any child, one process, a process group, or the process of a pidfd. */
  type: WaitidType;
  /** The process, group or pidfd; not with `"all"`. */
  id?: number | Fd;
  /** `WEXITED`, `WSTOPPED`, `WCONTINUED`, one at least; `WNOHANG`, `WNOWAIT`. */
  options: number;
}

/** What became of a child. */
export type ChildChange = "exited" | "killed" | "dumped" | "trapped" | "stopped" | "continued";

/** What {@link waitid} tells of a child. */
export interface ChildStatus {
  /** The child's process number. */
  readonly pid: number;
  /** Its real user. */
  readonly uid: number;
  /** What became of it. */
  readonly change: ChildChange;
  /** The exit status of one that exited, the signal's number otherwise. */
  readonly status: number;
}

// si_code: CLD_EXITED is 1.
const CHANGES: readonly ChildChange[] = ["exited", "killed", "dumped", "trapped", "stopped", "continued"];

export const WAITID = declare({
  name: "waitid",
  opcode: IORING_OP_WAITID,
  syscall: "waitid(2)",
  since: "6.7",
  completions: "one",
  severs: true,
  options: ["type", "id", "options"],
  hints: { ECHILD: "there is no such child, or somebody else has waited for it already" },
  raw(slot: number, type: number, id: number, info: number, options: number, flags: number) {
    this.prep(IORING_OP_WAITID, slot, id, info, 0, type, flags, 0, options, 0);
  },
  lower(o: WaitidOptions, l) {
    const type = TYPES[checkChoice("waitid", "type", o.type, Object.keys(TYPES) as WaitidType[])];
    if ((type === P_ALL) !== (o.id === undefined))
      throw new TypeError(`waitid: id ${type === P_ALL ? "does not go with" : "is missing with"} type '${o.type}'`);
    const id = checkInteger("waitid", "id", o.id === undefined ? 0 : o.id, 0, 0x7fff_ffff);
    return [type, id, l.allocate(siginfo.size), l.needed("options", o.options), 0];
  },
  result(_result, _flags, _o, l): ChildStatus | undefined {
    const pid = siginfo.getSigned(l.output, "si_pid");
    if (pid === 0) return undefined;
    const change = CHANGES[siginfo.getSigned(l.output, "si_code") - 1] ?? "exited";
    return { pid, uid: siginfo.get(l.output, "si_uid"), change, status: siginfo.getSigned(l.output, "si_status") };
  },
});

/**
 * Waits for a child process: `IORING_OP_WAITID`, since 6.7; as `waitid(2)`. Resolves to a {@link ChildStatus}, or to undefined when WNOHANG
 * finds none. Bun waits for the children of `Bun.spawn` itself: use it for others, or with WNOWAIT.
 *
 * Errors: ECHILD (no such child), EINVAL (options), EBADF (pidfd). An error severs a soft link. The result's memory is the operation's own.
 *
 * @example
 * ```ts
 * import { dlopen } from "bun:ffi";
 * import { Ring, WEXITED, waitid } from "uring-ublk";
 * const { popen } = dlopen("libc.so.6", { popen: { args: ["buffer", "buffer"], returns: "ptr" } }).symbols;
 * await using ring = await Ring.open({ entries: 8 });
 * popen(Buffer.from("exit 3\0"), Buffer.from("r\0")); // a child that Bun knows nothing of
 * const child = await ring.run(waitid({ type: "all", options: WEXITED }));
 * console.log(child?.change, child?.status); // exited 3
 * ```
 */
export const waitid = (options: WaitidOptions): Operation<ChildStatus | undefined> => new Operation(WAITID, options);
