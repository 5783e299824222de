import { RingCore } from "./core.ts";
import { RawMailbox, ResourceTag } from "./mailbox.ts";
import type { RawArgument } from "./operation.ts";
import { ASYNC_CANCEL } from "./ops/cancel.ts";
import { CLOSE, FALLOCATE, FSYNC, OPENAT } from "./ops/file.ts";
import { MSG_RING, MSG_RING_FD } from "./ops/msg-ring.ts";
import { NOP, NOP128 } from "./ops/nop.ts";
import { POLL_ADD, POLL_MULTISHOT, POLL_REMOVE, POLL_UPDATE } from "./ops/poll.ts";
import { READ, READ_FIXED, READV, READV_FIXED } from "./ops/read.ts";
import { RECV, RECV_MULTISHOT, SEND, SEND_ZC } from "./ops/socket.ts";
import { LINK_TIMEOUT, TIMEOUT, TIMEOUT_MULTISHOT, TIMEOUT_REMOVE, TIMEOUT_UPDATE } from "./ops/timeout.ts";
import { URING_CMD, URING_CMD_MULTISHOT, URING_CMD128 } from "./ops/uring-cmd.ts";
import { WRITE, WRITE_FIXED, WRITEV, WRITEV_FIXED } from "./ops/write.ts";

/** Every raw writer, by the name it has on {@link RawRing}; each comes from the declaration of its operation. */
const writers = {
  /** `IORING_OP_NOP`: flags (`IORING_NOP_*`), result to inject, fd or slot, buffer index, two extra values for a CQE of 32 bytes. */
  nop: NOP.raw,
  /** `IORING_OP_NOP128` (or `NOP` where every SQE has 128 bytes): as `nop`. */
  nop128: NOP128.raw,
  /** `IORING_OP_READ`: fd, address, length, offset (-1: the file's position), `RWF_*` flags. */
  read: READ.raw,
  /** `IORING_OP_READ_FIXED`: fd, address in the fixed buffer, length, offset, buffer index, `RWF_*` flags. */
  readFixed: READ_FIXED.raw,
  /** `IORING_OP_READV`: fd, address of the iovecs, their number, offset, `RWF_*` flags. */
  readv: READV.raw,
  /** `IORING_OP_READV_FIXED`: fd, address of the iovecs, their number, offset, buffer index, `RWF_*` flags. */
  readvFixed: READV_FIXED.raw,
  /** `IORING_OP_WRITE`: fd, address, length, offset (-1: the file's position), `RWF_*` flags. */
  write: WRITE.raw,
  /** `IORING_OP_WRITE_FIXED`: fd, address in the fixed buffer, length, offset, buffer index, `RWF_*` flags. */
  writeFixed: WRITE_FIXED.raw,
  /** `IORING_OP_WRITEV`: fd, address of the iovecs, their number, offset, `RWF_*` flags. */
  writev: WRITEV.raw,
  /** `IORING_OP_WRITEV_FIXED`: fd, address of the iovecs, their number, offset, buffer index, `RWF_*` flags. */
  writevFixed: WRITEV_FIXED.raw,
  /** `IORING_OP_FSYNC`: fd, flags (`IORING_FSYNC_*`). */
  fsync: FSYNC.raw,
  /** `IORING_OP_FALLOCATE`: fd, mode, offset, length. */
  fallocate: FALLOCATE.raw,
  /** `IORING_OP_OPENAT`: directory fd, address of the path, flags, mode, file-table slot + 1 or 0. */
  openat: OPENAT.raw,
  /** `IORING_OP_CLOSE`: fd, file-table slot + 1 or 0. */
  closeFd: CLOSE.raw,
  /** `IORING_OP_TIMEOUT`: address of the timespec (or nanoseconds), completions, flags (`IORING_TIMEOUT_*`). */
  timeout: TIMEOUT.raw,
  /** `IORING_OP_TIMEOUT`, multishot: address of the timespec (or nanoseconds), ticks or 0, flags; the slot is declared "many". */
  timeoutMultishot: TIMEOUT_MULTISHOT.raw,
  /** `IORING_OP_TIMEOUT_REMOVE`: user_data of the timer in two words. */
  timeoutRemove: TIMEOUT_REMOVE.raw,
  /** `IORING_OP_TIMEOUT_REMOVE`, update: user_data in two words, address of the new timespec (or nanoseconds), flags. */
  timeoutUpdate: TIMEOUT_UPDATE.raw,
  /** `IORING_OP_LINK_TIMEOUT`, directly behind an SQE with `IOSQE_IO_LINK`: address of the timespec (or nanoseconds), flags. */
  linkTimeout: LINK_TIMEOUT.raw,
  /** `IORING_OP_ASYNC_CANCEL`: fd, user_data in two words, flags (`IORING_ASYNC_CANCEL_*`), opcode with `CANCEL_OP`. */
  cancel: ASYNC_CANCEL.raw,
  /** `IORING_OP_POLL_ADD`: fd, events. */
  poll: POLL_ADD.raw,
  /** `IORING_OP_POLL_ADD`, multishot: fd, events; the slot is declared "many". */
  pollMultishot: POLL_MULTISHOT.raw,
  /** `IORING_OP_POLL_REMOVE`: user_data of the poll in two words. */
  pollRemove: POLL_REMOVE.raw,
  /**
   * `IORING_OP_POLL_REMOVE`, update: user_data in two words, the new one in two words, events, flags (`IORING_POLL_UPDATE_*`). A poll
   * that gets the user_data of another slot: `arm` that one, and say `skipped` of the old one.
   */
  pollUpdate: POLL_UPDATE.raw,
  /** `IORING_OP_MSG_RING`, data: fd of the ring, user_data in two words, result, flags (`IORING_MSG_RING_*`), CQE flags. */
  msgRing: MSG_RING.raw,
  /** `IORING_OP_MSG_RING`, file: fd of the ring, user_data in two words, own slot, slot there + 1 or `IORING_FILE_INDEX_ALLOC`, flags. */
  msgRingFd: MSG_RING_FD.raw,
  /** `IORING_OP_SEND`: fd, address, length, `MSG_*` flags. */
  send: SEND.raw,
  /** `IORING_OP_SEND_ZC`: fd, address, length, `MSG_*` flags; the slot is declared "notify". */
  sendZc: SEND_ZC.raw,
  /** `IORING_OP_RECV`: fd, address, length, `MSG_*` flags. */
  recv: RECV.raw,
  /** `IORING_OP_RECV`, multishot: fd, buffer group, `MSG_*` flags; the slot is declared "many". */
  recvMultishot: RECV_MULTISHOT.raw,
  /** `IORING_OP_URING_CMD`: fd, command, address, four words of payload, flags (`IORING_URING_CMD_*`), buffer index. */
  uringCmd: URING_CMD.raw,
  /** `IORING_OP_URING_CMD128`: fd, command, address, up to 20 words of payload, flags, buffer index. */
  uringCmd128: URING_CMD128.raw,
  /** `IORING_OP_URING_CMD`, multishot: fd, command, address, four words of payload, buffer group; the slot is declared "many". */
  uringCmdMultishot: URING_CMD_MULTISHOT.raw,
} as const;

type Writers = {
  readonly [Name in keyof typeof writers]: (typeof writers)[Name] extends (
    this: RingCore,
    slot: number,
    ...args: infer Args extends readonly (RawArgument | undefined)[]
  ) => void
    ? (slot: number, ...args: Args) => void
    : never;
};

/** The raw writers: positional, queueing without submitting. The first argument is always the slot. */
export interface RawRing extends Writers {}

/**
 * The raw layer of a ring: positional writers, a table of handlers, no allocation per operation.
 *
 * A slot names an operation in flight. `allocate(handler)` gives one; writing an operation with it arms it; its final CQE
 * frees it for the next operation, and `release` gives it back. `user_data` is the slot and a generation, so that a CQE of an
 * earlier operation is recognised. The writers (`nop`, `read`, ...) queue without submitting; {@link RingCore.enter | enter} submits and
 * waits, {@link RingCore.reap | reap} runs the handlers.
 *
 * The ring belongs to the thread that made it. In-flight memory must stay alive until the final CQE: this layer pins nothing.
 *
 * @example
 * ```ts
 * import { RawRing } from "uring-ublk/uring";
 * using ring = new RawRing({ entries: 8 });
 * let seen = 0;
 * const slot = ring.allocate(() => seen++);
 * ring.nop(slot);
 * ring.enter(1);
 * ring.reap();
 * console.log(seen); // 1
 * ```
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the methods are installed from the same table that types them
export class RawRing extends RingCore {
  static {
    Object.assign(RawRing.prototype, writers);
  }

  /** A place for messages of other rings; `handler` gets result and flags of each. Give {@link RawMailbox.address} to who sends. */
  mailbox(handler: (result: number, flags: number) => void): RawMailbox {
    return new RawMailbox(this, handler);
  }

  /** A tag for registered buffers or files; `freed` runs when the kernel lets go of one that carries it. */
  tag(freed: () => void): ResourceTag {
    return new ResourceTag(this, freed);
  }
}
