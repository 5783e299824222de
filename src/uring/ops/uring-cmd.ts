import { isDetached } from "../../ffi/index.ts";
import {
  IORING_OP_URING_CMD,
  IORING_OP_URING_CMD128,
  IORING_URING_CMD_FIXED,
  IORING_URING_CMD_MULTISHOT,
  IOSQE_BUFFER_SELECT,
} from "../abi.ts";
import type { BufferGroup, Chunk } from "../buffer-group.ts";
import type { Direction, Fd, FixedBuffer, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { count, declare, MultishotOperation, Operation } from "../operation.ts";
import { show } from "../options.ts";

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
  /** A fixed buffer that the command works on (`IORING_URING_CMD_FIXED`, 6.1); its address stands in the payload, as the driver wants it. */
  buffer?: FixedBuffer<Direction>;
}

/** Options of {@link uringCmdMultishot}. */
export interface UringCmdMultishotOptions extends Omit<UringCmdOptions, "buffer"> {
  /** Where the kernel takes buffers from. */
  group: BufferGroup;
}

type Fixed = [flags: number, bufferIndex: number];

function fixed(buffer: FixedBuffer<Direction> | undefined, l: Lowering): Fixed {
  if (buffer === undefined) return [0, 0];
  const { index } = l.fixed("buffer", buffer);
  l.needs("IORING_URING_CMD_FIXED");
  return [IORING_URING_CMD_FIXED, index];
}

/** What all commands share: the descriptor, the command and the address; pins what the command points to. */
function command(o: Omit<UringCmdOptions, "buffer">, l: Lowering): [fd: number, cmdOp: number, address: number] {
  if (o.pins !== undefined && !(Array.isArray(o.pins) && o.pins.every((pin) => ArrayBuffer.isView(pin))))
    throw new TypeError(`${l.name}: pins is ${show(o.pins)}; it must be an array of typed arrays`);
  for (const pin of o.pins ?? []) l.pin(pin);
  return [l.file(o.fd), l.needed("cmdOp", o.cmdOp), o.address === undefined ? 0 : l.bytes("address", o.address)];
}

function words(payload: Uint8Array | undefined, most: number, l: Lowering): Int32Array {
  const bytes = new Uint8Array(new ArrayBuffer(most));
  if (payload !== undefined) {
    if (!(payload instanceof Uint8Array)) throw new TypeError(`${l.name}: payload is ${show(payload)}; it must be a Uint8Array`);
    if (isDetached(payload)) throw new TypeError(`${l.name}: payload is detached: its memory was transferred away`);
    if (payload.byteLength > most)
      throw new RangeError(`${l.name}: payload is ${payload.byteLength} bytes; this command carries at most ${most}`);
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
  severs: true,
  options: ["fd", "cmdOp", "payload", "address", "pins", "buffer"],
  raw(
    slot: number,
    fd: number,
    cmdOp: number,
    address: number,
    word0: number,
    word1: number,
    word2: number,
    word3: number,
    flags: number = 0,
    bufferIndex: number = 0,
  ) {
    this.prep(IORING_OP_URING_CMD, slot, fd, 0, address, 0, flags, bufferIndex, 0, 0);
    this.clearSecondHalf();
    this.setWord(2, cmdOp);
    this.setWord(12, word0);
    this.setWord(13, word1);
    this.setWord(14, word2);
    this.setWord(15, word3);
  },
  lower(o: UringCmdOptions, l) {
    const [fd, cmdOp, address] = command(o, l);
    const [a, b, c, d] = words(o.payload, 16, l);
    const [flags, index] = fixed(o.buffer, l);
    return [fd, cmdOp, address, a, b, c, d, flags, index];
  },
  result: count,
});

export const URING_CMD_MULTISHOT = declare({
  name: "uringCmdMultishot",
  opcode: IORING_OP_URING_CMD,
  syscall: "ioctl(2)",
  since: "6.18",
  needs: "IORING_URING_CMD_MULTISHOT",
  completions: "many",
  options: ["fd", "cmdOp", "payload", "address", "pins", "group"],
  raw(slot: number, fd: number, cmdOp: number, address: number, word0: number, word1: number, word2: number, word3: number, group: number) {
    URING_CMD.raw.call(this, slot, fd, cmdOp, address, word0, word1, word2, word3, IORING_URING_CMD_MULTISHOT, group);
    this.setFlags(IOSQE_BUFFER_SELECT);
  },
  lower(o: UringCmdMultishotOptions, l) {
    const [fd, cmdOp, address] = command(o, l);
    const [a, b, c, d] = words(o.payload, 16, l);
    return [fd, cmdOp, address, a, b, c, d, l.group(o.group)];
  },
  result: (result: number, flags: number, o: UringCmdMultishotOptions): Chunk => o.group.take(result, flags),
  discard: (result, flags, o) => o.group.giveBack(result, flags),
});

export const URING_CMD128 = declare({
  name: "uringCmd128",
  opcode: IORING_OP_URING_CMD128,
  syscall: "ioctl(2)",
  since: "5.19",
  completions: "one",
  severs: true,
  options: ["fd", "cmdOp", "payload", "address", "pins", "buffer"],
  raw(slot: number, fd: number, cmdOp: number, address: number, payload: Int32Array, flags: number = 0, bufferIndex: number = 0) {
    // Where every SQE has 128 bytes the plain opcode is the one that all kernels know; a mixed ring needs the long one (6.19).
    this.prep128(this.record.sqe === 128 ? IORING_OP_URING_CMD : IORING_OP_URING_CMD128, slot, fd, 0, address, flags, payload);
    this.setWord(2, cmdOp);
    this.setWord(3, 0);
    this.setWord(10, bufferIndex);
  },
  lower(o: UringCmdOptions, l) {
    const [fd, cmdOp, address] = command(o, l);
    return [fd, cmdOp, address, words(o.payload, 80, l), ...fixed(o.buffer, l)];
  },
  result: count,
});

/**
 * A driver's command: `IORING_OP_URING_CMD`, since 5.19; the ioctl(2) of io_uring. Resolves to what the driver answers.
 *
 * Errors: EOPNOTSUPP (the file's driver has no commands, or not this one); what the driver answers. In a link: a negative answer
 * severs. The payload is copied at submission; what it points to is named in `pins`.
 *
 * @example
 * ```ts
 * import { Ring, uringCmd } from "uring-ublk";
 * import { abi } from "uring-ublk/uring";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * sys.write(far, new Uint8Array(7));
 * // How many bytes wait in the socket; UNIX sockets have no commands.
 * const { status } = await ring.settle(uringCmd({ fd: near, cmdOp: abi.SOCKET_URING_OP_SIOCINQ }));
 * console.log(status); // failed
 * sys.close(near);
 * sys.close(far);
 * ```
 */
export const uringCmd = (options: UringCmdOptions): Operation<number> => new Operation(URING_CMD, options);

/**
 * A driver's command with up to 80 bytes of payload: `IORING_OP_URING_CMD` on a ring opened with `sqe: 128`, since 5.19,
 * `IORING_OP_URING_CMD128` on one with `sqe: "mixed"`, since 6.19. As {@link uringCmd} it is the ioctl(2) of io_uring, and resolves to
 * what the driver answers.
 *
 * Errors: as {@link uringCmd}; a TypeError before submission on a ring whose SQEs have 64 bytes. In a link: a negative answer severs. The
 * payload is copied at submission; the memory that it points to is named in `pins`.
 *
 * @example
 * ```ts
 * import { Ring, uringCmd128 } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, sqe: 128 });
 * const { status } = await ring.settle(uringCmd128({ fd: 0, cmdOp: 0, payload: new Uint8Array(80) }));
 * console.log(status); // failed (standard input is no driver)
 * ```
 */
export const uringCmd128 = (options: UringCmdOptions): Operation<number> => new Operation(URING_CMD128, options);

/**
 * A driver's command that answers again and again, into a buffer group: `IORING_OP_URING_CMD` with CMD_MULTISHOT, since 6.18; the
 * ioctl(2) of io_uring in a loop. `ring.run` of it is an async iterable of {@link Chunk}.
 *
 * Errors: EOPNOTSUPP (the driver has no such command); ENOBUFS pauses it until a buffer is given back. Not in a link. The group must
 * outlive it. **Only for commands that the driver itself repeats**: any other that succeeds never completes, and no cancel reaches it.
 *
 * @example
 * ```ts
 * import { Ring, uringCmdMultishot } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * using group = ring.bufferGroup({ buffers: 2, size: 64 });
 * try {
 *   for await (const _ of ring.run(uringCmdMultishot({ fd: 0, cmdOp: 0, group }))) break;
 * } catch (error) {
 *   console.log((error as { operation: string }).operation); // uringCmdMultishot (standard input is no driver)
 * }
 * ```
 */
export const uringCmdMultishot = (options: UringCmdMultishotOptions): MultishotOperation<Chunk> =>
  new MultishotOperation(URING_CMD_MULTISHOT, options);
