import { IORING_OP_URING_CMD, IORING_OP_URING_CMD128 } from "../abi.ts";
import type { Fd, FixedFile } from "../handles.ts";
import { count, declare, Operation } from "../operation.ts";

/** Options of {@link uringCmd} and {@link uringCmd128}. */
export interface UringCmdOptions {
  /** The driver's file: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** The command, as the driver numbers it. */
  cmdOp: number;
  /** The command's payload, at sqe+48: 16 bytes at most, 80 for {@link uringCmd128}. Copied at submission. */
  payload?: Uint8Array;
  /** The SQE's addr field, where the driver uses it. */
  address?: number;
  /** Memory that the command points to, kept alive until the CQE. */
  pins?: readonly ArrayBufferView[];
}

function words(payload: Uint8Array | undefined, most: number): Int32Array {
  const bytes = new Uint8Array(new ArrayBuffer(most));
  if (payload !== undefined) {
    if (payload.byteLength > most) throw new RangeError(`payload is ${payload.byteLength} bytes; this command carries at most ${most}`);
    bytes.set(payload);
  }
  return new Int32Array(bytes.buffer);
}

export const URING_CMD = declare({
  name: "uringCmd",
  opcode: IORING_OP_URING_CMD,
  syscall: "ioctl(2)",
  since: "5.19",
  completions: "one",
  options: ["fd", "cmdOp", "payload", "address", "pins"],
  raw(slot: number, fd: number, cmdOp: number, address: number, word0: number, word1: number, word2: number, word3: number) {
    this.prep(IORING_OP_URING_CMD, slot, fd, 0, address, 0, 0, 0, 0, 0);
    this.clearSecondHalf();
    this.setWord(2, cmdOp);
    this.setWord(12, word0);
    this.setWord(13, word1);
    this.setWord(14, word2);
    this.setWord(15, word3);
  },
  lower(o: UringCmdOptions, l) {
    if (o.pins !== undefined) l.pins.push(...o.pins);
    const [a, b, c, d] = words(o.payload, 16);
    return [l.file(o.fd), o.cmdOp, o.address ?? 0, a, b, c, d] as [number, number, number, number, number, number, number];
  },
  result: count,
});

export const URING_CMD128 = declare({
  name: "uringCmd128",
  opcode: IORING_OP_URING_CMD128,
  syscall: "ioctl(2)",
  since: "5.19",
  completions: "one",
  options: ["fd", "cmdOp", "payload", "address", "pins"],
  raw(slot: number, fd: number, cmdOp: number, address: number, payload: Int32Array) {
    // Where every SQE has 128 bytes the plain opcode is the one that all kernels know; a mixed ring needs the long one (6.19).
    this.prep128(this.record.sqe === 128 ? IORING_OP_URING_CMD : IORING_OP_URING_CMD128, slot, fd, 0, address, 0, payload);
    this.setWord(2, cmdOp);
    this.setWord(3, 0);
  },
  lower(o: UringCmdOptions, l) {
    if (o.pins !== undefined) l.pins.push(...o.pins);
    return [l.file(o.fd), o.cmdOp, o.address ?? 0, words(o.payload, 80)] as [number, number, number, Int32Array];
  },
  result: count,
});

/** A driver's command: `IORING_OP_URING_CMD`, since 5.19; the ioctl(2) of io_uring. Resolves to what the driver answers. */
export const uringCmd = (options: UringCmdOptions): Operation<number> => new Operation(URING_CMD, options);

/**
 * A driver's command with up to 80 bytes of payload: `IORING_OP_URING_CMD` on a ring opened with `sqe: 128` (5.19),
 * `IORING_OP_URING_CMD128` on one with `sqe: "mixed"` (6.19).
 */
export const uringCmd128 = (options: UringCmdOptions): Operation<number> => new Operation(URING_CMD128, options);
