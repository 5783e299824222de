import {
  IORING_FILE_INDEX_ALLOC,
  IORING_MSG_DATA,
  IORING_MSG_RING_CQE_SKIP,
  IORING_MSG_RING_FLAGS_PASS,
  IORING_MSG_SEND_FD,
  IORING_OP_MSG_RING,
} from "../abi.ts";
import { type DirectSlot, type Fd, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { declare, type ImpersonalOperation, Operation } from "../operation.ts";
import { checkBoolean, checkInteger, checkKnown } from "../options.ts";
import { filled } from "./descriptors.ts";

/** Where a message goes: a {@link MailAddress}, whose ring may be named by a slot of the sender's file table instead. */
export interface MailTarget {
  /** The receiving ring. */
  readonly fd: Fd | FixedFile;
  /** The lower word of the user_data that its CQE gets. */
  readonly slot: number;
  /** The upper word. */
  readonly generation: number;
}

/** Options of {@link msgRing}. */
export interface MsgRingOptions {
  /** The mailbox: `mailbox.address`. */
  to: MailTarget;
  /** The result that its CQE gets, 32 bits. Default 0. */
  result?: number;
  /** The flags that its CQE gets (`IORING_MSG_RING_FLAGS_PASS`, 6.3). Default none. */
  flags?: number;
}

const HINTS = {
  EBADFD: "the descriptor is no ring's, or that ring is disabled",
  EOVERFLOW: "the other ring's CQ is full: it must reap",
  EINVAL: "a ring does not send a file to itself; or a flag is newer than this kernel",
  ENXIO: "the other ring has no file table",
  EBADF: "the slot that the file is in is empty",
  ENFILE: "the other ring's file table is full",
};

function ring(what: string, to: MailTarget, l: Lowering): [fd: number, low: number, high: number] {
  checkKnown(`${what}: to`, to, ["fd", "slot", "generation"]);
  checkInteger(what, "to.slot", to.slot, -0x8000_0000, 0xffff_ffff);
  checkInteger(what, "to.generation", to.generation, -0x8000_0000, 0xffff_ffff);
  return [l.file(to.fd), to.slot, to.generation];
}

export const MSG_RING = declare({
  name: "msgRing",
  opcode: IORING_OP_MSG_RING,
  syscall: "none",
  since: "5.18",
  completions: "one",
  severs: true,
  options: ["to", "result", "flags"],
  impersonal: true,
  hints: HINTS,
  raw(slot: number, fd: number, userDataLow: number, userDataHigh: number, result: number, flags: number, cqeFlags: number) {
    this.prep(IORING_OP_MSG_RING, slot, fd, 0, IORING_MSG_DATA, result, flags, 0, cqeFlags, 0);
    this.setWord(2, userDataLow);
    this.setWord(3, userDataHigh);
  },
  lower(o: MsgRingOptions, l) {
    const { result = 0, flags } = o;
    checkInteger("msgRing", "result", result, -0x8000_0000, 0xffff_ffff);
    if (flags !== undefined) {
      checkInteger("msgRing", "flags", flags, 0, 0xffff_ffff);
      l.needs("IORING_MSG_RING_FLAGS_PASS");
    }
    const pass = flags === undefined ? 0 : IORING_MSG_RING_FLAGS_PASS;
    return [...ring("msgRing", o.to, l), result, pass, flags ?? 0];
  },
  result: (): void => {},
});

/** Options of {@link msgRingFd}. */
export interface MsgRingFdOptions {
  /** The mailbox of the receiving ring, which must have a file table. */
  to: MailTarget;
  /** The file: a slot of the sending ring's table. */
  source: FixedFile;
  /** Where it goes: a slot of the receiving ring's table, or any free one. */
  slot: DirectSlot;
  /** The receiving ring gets no CQE (`IORING_MSG_RING_CQE_SKIP`). */
  silent?: boolean;
}

export const MSG_RING_FD = declare({
  name: "msgRingFd",
  opcode: IORING_OP_MSG_RING,
  syscall: "none",
  since: "6.0",
  needs: "IORING_MSG_SEND_FD",
  completions: "one",
  severs: true,
  options: ["to", "source", "slot", "silent"],
  impersonal: true,
  hints: HINTS,
  raw(slot: number, fd: number, userDataLow: number, userDataHigh: number, source: number, fileIndex: number, flags: number) {
    this.prep(IORING_OP_MSG_RING, slot, fd, 0, IORING_MSG_SEND_FD, 0, flags, 0, fileIndex, source);
    this.setWord(2, userDataLow);
    this.setWord(3, userDataHigh);
  },
  lower(o: MsgRingFdOptions, l) {
    if (!(o.source instanceof FixedFile)) throw new TypeError("msgRingFd: source must be a FixedFile, a slot of this ring's file table");
    if (!(o.slot instanceof FixedFile) && o.slot !== "any") throw new TypeError("msgRingFd: slot must be a FixedFile or 'any'");
    if (o.silent !== undefined) checkBoolean("msgRingFd", "silent", o.silent);
    const index = o.slot === "any" ? IORING_FILE_INDEX_ALLOC : o.slot.slot + 1;
    const flags = o.silent ? IORING_MSG_RING_CQE_SKIP : 0;
    return [...ring("msgRingFd", o.to, l), o.source.slot, index, flags];
  },
  result: (result: number, _flags: number, o: MsgRingFdOptions): FixedFile => filled(o.slot, result),
});

/**
 * Sends a message to a mailbox of another ring (or of this one), also one of another thread of the process: `IORING_OP_MSG_RING`, since
 * 5.18. No system call does it. It resolves to nothing, when the message is in the other ring's CQ, and wakes who waits there.
 *
 * Errors: EBADF, EBADFD (no ring, or a disabled one), EOVERFLOW (its CQ is full). In a link: an error severs. No memory is used, and no
 * personality is allowed.
 *
 * @example
 * ```ts
 * import { msgRing, Ring } from "uring-ublk";
 * await using here = await Ring.open({ entries: 8 });
 * await using there = await Ring.open({ entries: 8 });
 * using mailbox = there.mailbox(); // mailbox.address may be posted to a Worker
 * await here.run(msgRing({ to: mailbox.address, result: 42 }));
 * for await (const { result } of mailbox) {
 *   console.log(result); // 42
 *   break;
 * }
 * ```
 */
export const msgRing = (options: MsgRingOptions): ImpersonalOperation<void> =>
  new Operation(MSG_RING, options) as Operation<void> as ImpersonalOperation<void>;

/**
 * Puts a file of this ring's table into another ring's: `IORING_OP_MSG_RING` with MSG_SEND_FD, since 6.0. Resolves to the slot there.
 * Unless `silent`, the mailbox gets a message whose result is that slot with `"any"`, and 0 otherwise. No system call does it.
 *
 * Errors: EBADF (the slot is empty), ENXIO (no file table there), ENFILE (it is full), EINVAL (to itself), EBADFD, EOVERFLOW (the file is
 * there, the message is not). In a link: an error severs. No memory is used, and no personality is allowed.
 *
 * @example
 * ```ts
 * import { msgRingFd, openatDirect, read, Ring } from "uring-ublk";
 * await using here = await Ring.open({ entries: 8, fixedFiles: 1 });
 * await using there = await Ring.open({ entries: 8, fixedFiles: 1 });
 * using mailbox = there.mailbox();
 * const source = await here.run(openatDirect({ path: "/proc/version", slot: "any" }));
 * const file = await here.run(msgRingFd({ to: mailbox.address, source, slot: "any" }));
 * console.log(await there.run(read({ fd: file, buffer: new Uint8Array(5), offset: 0 }))); // 5
 * ```
 */
export const msgRingFd = (options: MsgRingFdOptions): ImpersonalOperation<FixedFile> =>
  new Operation(MSG_RING_FD, options) as Operation<FixedFile> as ImpersonalOperation<FixedFile>;
