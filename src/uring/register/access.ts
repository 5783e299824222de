import * as abi from "../abi.ts";
import { type CancelMatch, matchOf } from "../cancel-match.ts";
import { checkInteger } from "../options.ts";
import { io_uring_probe, io_uring_probe_op, io_uring_sync_cancel_reg } from "../structs.ts";
import { type BpfFilter, FILTER_HINT, filterArgument } from "./bpf-filter.ts";
import { type Restrictions, ringRestrictions } from "./restrictions.ts";
import { ThreadRegistrations } from "./threads.ts";

const PROBED = 256;
const FOREVER = 0xffff_ffff_ffff_ffffn;

/** What may be done on the ring, as whom, and the cancel that waits. */
export class AccessRegistrations extends ThreadRegistrations {
  /** Which opcodes the kernel knows (`IORING_REGISTER_PROBE`, 5.6). */
  probe(): ReadonlySet<number> {
    const known = new Set<number>();
    const probe = new DataView(new ArrayBuffer(io_uring_probe.size + PROBED * io_uring_probe_op.size));
    if (this.attempt(abi.IORING_REGISTER_PROBE, probe, PROBED) < 0) return known;
    const count = io_uring_probe.get(probe, "ops_len");
    for (let i = 0; i < count; i++) {
      const at = io_uring_probe.size + i * io_uring_probe_op.size;
      if (io_uring_probe_op.get(probe, "flags", at) & abi.IO_URING_OP_SUPPORTED) known.add(io_uring_probe_op.get(probe, "op", at));
    }
    return known;
  }

  /**
   * `IORING_REGISTER_PERSONALITY` (5.6): keeps the thread's present credentials. Operations name them by the number answered
   * (`operation.personality(id)`), also after the thread has changed its own.
   */
  personality(): number {
    return this.call("personality", abi.IORING_REGISTER_PERSONALITY, 0, 0);
  }

  /** `IORING_UNREGISTER_PERSONALITY` (5.6). */
  unregisterPersonality(id: number): void {
    checkInteger("unregisterPersonality", "id", id, 0, 0xffff);
    this.call("unregister personality", abi.IORING_UNREGISTER_PERSONALITY, 0, id, "EINVAL: there is no personality of that number");
  }

  /**
   * `IORING_REGISTER_RESTRICTIONS` (5.10): what the ring may do once it is enabled. Once, on a ring opened with `disabled`. Leave
   * yourself `IORING_REGISTER_ENABLE_RINGS`, and what else is registered later.
   */
  restrictions(options: Restrictions): void {
    const { argument, count } = ringRestrictions(options);
    this.call(
      "restrictions",
      abi.IORING_REGISTER_RESTRICTIONS,
      argument,
      count,
      "EBADFD: the ring must be opened with disabled: true; EBUSY: it is restricted already",
    );
  }

  /** `IORING_REGISTER_ENABLE_RINGS` (5.10): starts a ring made with `disabled`; the calling thread becomes its issuer. */
  enable(): void {
    this.call("enable", abi.IORING_REGISTER_ENABLE_RINGS, 0, 0);
  }

  /** `IORING_REGISTER_BPF_FILTER` (7.0): a filter of what is submitted to this ring. It cannot be taken away again. */
  bpfFilter(filter: BpfFilter): void {
    const { argument, program } = filterArgument("bpfFilter", filter);
    this.held = program;
    this.call("bpf filter", abi.IORING_REGISTER_BPF_FILTER, argument, 1, FILTER_HINT);
  }

  /**
   * `IORING_REGISTER_SYNC_CANCEL` (6.0): cancels, and returns when what was cancelled has ended; its CQEs are in the ring then, or come
   * with the next enter where the ring defers. The thread is blocked for so long. Answers how many were found where `all` or `any` was
   * asked for, 0 otherwise; what was cancelled before and has not been told may be counted again.
   *
   * @param timeoutMs the longest wait; default for ever.
   * @throws UringError ENOENT when nothing matches; ETIME when the time is over.
   */
  syncCancel(match: CancelMatch, timeoutMs?: number): number {
    const { low, high, fd, flags, opcode } = matchOf("syncCancel", match, undefined);
    const arg = io_uring_sync_cancel_reg.build({ fd, flags, opcode });
    arg.setInt32(0, low, true);
    arg.setInt32(4, high, true);
    const at = io_uring_sync_cancel_reg.fields.timeout[0];
    if (timeoutMs === undefined) {
      arg.setBigUint64(at, FOREVER, true);
      arg.setBigUint64(at + 8, FOREVER, true);
    } else {
      const ns = BigInt(Math.round(checkDuration(timeoutMs) * 1e6));
      arg.setBigUint64(at, ns / 1_000_000_000n, true);
      arg.setBigUint64(at + 8, ns % 1_000_000_000n, true);
    }
    return this.call(
      "sync cancel",
      abi.IORING_REGISTER_SYNC_CANCEL,
      arg,
      1,
      "ENOENT: nothing in flight matches; ETIME: it did not end in time",
    );
  }
}

function checkDuration(ms: number): number {
  if (ms >= 0 && ms <= 2 ** 31) return ms;
  throw new RangeError(`syncCancel: timeoutMs is ${ms}; it must be a number of milliseconds from 0 to 2^31`);
}
