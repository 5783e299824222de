import { type RingSyscalls, ringSyscalls } from "../../ffi/index.ts";
import * as abi from "../abi.ts";
import type { MailAddress } from "../mailbox.ts";
import { checkInteger, checkKnown } from "../options.ts";
import { io_uring_sqe } from "../structs.ts";
import { type BpfFilter, FILTER_HINT, filterArgument } from "./bpf-filter.ts";
import { registerWithoutRing } from "./calls.ts";
import { type Restrictions, taskRestrictions } from "./restrictions.ts";

/**
 * Restricts every ring that this thread, and what it starts, will make (`IORING_REGISTER_RESTRICTIONS` without a ring, 7.0). It cannot
 * be undone. Bun's threads are not children of one another's making in that sense: do it on the thread that opens the rings.
 *
 * @throws UringError EINVAL before 7.0; EACCES without no_new_privs or CAP_SYS_ADMIN; EPERM when the thread is restricted already.
 */
export function restrictThread(restrictions: Restrictions, syscalls: RingSyscalls = ringSyscalls()): void {
  const argument = taskRestrictions(restrictions);
  const hint = "EINVAL: it came with Linux 7.0; EACCES: set no_new_privs or be root; EPERM: the thread is restricted already";
  registerWithoutRing(syscalls, "thread restrictions", abi.IORING_REGISTER_RESTRICTIONS, argument, 1, hint);
}

/**
 * Filters what every ring that this thread, and what it starts, will make submits (`IORING_REGISTER_BPF_FILTER` without a ring, 7.0).
 * It cannot be undone; filters add up.
 *
 * @throws UringError EINVAL before 7.0; EACCES without no_new_privs or CAP_SYS_ADMIN.
 */
export function filterThread(filter: BpfFilter, syscalls: RingSyscalls = ringSyscalls()): void {
  const { argument, program } = filterArgument("filterThread", filter);
  registerWithoutRing(syscalls, "thread bpf filter", abi.IORING_REGISTER_BPF_FILTER, argument, 1, FILTER_HINT);
  void program; // reachable until here
}

/** What {@link sendMessage} sends. */
export interface MessageOptions {
  /** The number that the mailbox's handler gets as result. Default 0. */
  result?: number;
  /** CQE flags that it gets (`IORING_MSG_RING_FLAGS_PASS`, 6.3). Default none. */
  flags?: number;
}

/**
 * Sends a message to a ring's mailbox from a thread that has no ring (`IORING_REGISTER_SEND_MSG_RING`, 6.13); as `msgRing`, but at once.
 *
 * @throws UringError EBADFD when the descriptor is not a ring's, or the ring is disabled; EOVERFLOW when its CQ is full.
 *
 * @example
 * ```ts
 * import { Ring, sendMessage } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * if (ring.supports("IORING_REGISTER_SEND_MSG_RING")) {
 *   using mailbox = ring.mailbox();
 *   sendMessage(mailbox.address, { result: 42 });
 *   const { value } = await mailbox[Symbol.asyncIterator]().next();
 *   if (value?.result !== 42) throw new Error("another message");
 * }
 * ```
 */
export function sendMessage(to: MailAddress, options: MessageOptions = {}, syscalls: RingSyscalls = ringSyscalls()): void {
  checkKnown("sendMessage", options, ["result", "flags"]);
  const { result = 0, flags } = options;
  checkInteger("sendMessage", "result", result, -0x8000_0000, 0x7fff_ffff);
  const sqe = io_uring_sqe.build({
    opcode: abi.IORING_OP_MSG_RING,
    fd: to.fd,
    len: result,
    msg_ring_flags: flags === undefined ? 0 : abi.IORING_MSG_RING_FLAGS_PASS,
    file_index: flags ?? 0,
  });
  const at = io_uring_sqe.fields.off[0];
  sqe.setInt32(at, to.slot, true);
  sqe.setInt32(at + 4, to.generation, true);
  registerWithoutRing(syscalls, "send message", abi.IORING_REGISTER_SEND_MSG_RING, sqe, 1);
}
