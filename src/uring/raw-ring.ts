import { high32 } from "../ffi/index.ts";
import { RingCore } from "./core.ts";
import { RawMailbox, ResourceTag } from "./mailbox.ts";
import type { RawArgument } from "./operation.ts";
import { ASYNC_CANCEL } from "./ops/cancel.ts";
import { LINKAT, MKDIRAT, RENAMEAT, SYMLINKAT, UNLINKAT } from "./ops/directory.ts";
import { EPOLL_CTL, EPOLL_WAIT } from "./ops/epoll.ts";
import { CLOSE, FALLOCATE, FSYNC, OPENAT } from "./ops/file.ts";
import { FILES_UPDATE, FIXED_FD_INSTALL } from "./ops/file-table.ts";
import { FUTEX_WAIT, FUTEX_WAITV, FUTEX_WAKE } from "./ops/futex.ts";
import { MSG_RING, MSG_RING_FD } from "./ops/msg-ring.ts";
import { NOP, NOP128 } from "./ops/nop.ts";
import { OPENAT2 } from "./ops/open.ts";
import { PIPE } from "./ops/pipe.ts";
import { POLL_ADD, POLL_MULTISHOT, POLL_REMOVE, POLL_UPDATE } from "./ops/poll.ts";
import { PROVIDE_BUFFERS, REMOVE_BUFFERS } from "./ops/provide.ts";
import { FADVISE, FTRUNCATE, MADVISE, SYNC_FILE_RANGE } from "./ops/range.ts";
import { READ, READ_FIXED, READV, READV_FIXED } from "./ops/read.ts";
import { READ_MULTISHOT, READ_PROVIDED } from "./ops/read-group.ts";
import { RECV, RECV_MULTISHOT, SEND, SEND_ZC } from "./ops/socket.ts";
import { SPLICE, TEE } from "./ops/splice.ts";
import { STATX } from "./ops/statx.ts";
import { LINK_TIMEOUT, TIMEOUT, TIMEOUT_MULTISHOT, TIMEOUT_REMOVE, TIMEOUT_UPDATE } from "./ops/timeout.ts";
import { URING_CMD, URING_CMD_MULTISHOT, URING_CMD128 } from "./ops/uring-cmd.ts";
import { WAITID } from "./ops/waitid.ts";
import { WRITE, WRITE_FIXED, WRITEV, WRITEV_FIXED } from "./ops/write.ts";
import { FGETXATTR, FSETXATTR, GETXATTR, SETXATTR } from "./ops/xattr.ts";
import { SQE_ADDR3, SQE_ATTR_MASK, SQE_FILE_INDEX } from "./submission.ts";

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
  /** `IORING_OP_READ` with a buffer of a group: fd, group, length (0: the buffer's), offset, `RWF_*` flags. */
  readProvided: READ_PROVIDED.raw,
  /** `IORING_OP_READ_MULTISHOT`: fd, group, offset (-1), `RWF_*` flags; the slot is declared "many". */
  readMultishot: READ_MULTISHOT.raw,
  /** `IORING_OP_PROVIDE_BUFFERS`: address, bytes of each, number of buffers, group, number of the first. */
  provideBuffers: PROVIDE_BUFFERS.raw,
  /** `IORING_OP_REMOVE_BUFFERS`: number of buffers, group. */
  removeBuffers: REMOVE_BUFFERS.raw,
  /** `IORING_OP_SYNC_FILE_RANGE`: fd, length, offset, `SYNC_FILE_RANGE_*` flags. */
  syncFileRange: SYNC_FILE_RANGE.raw,
  /** `IORING_OP_FADVISE`: fd, offset, length, `POSIX_FADV_*`. */
  fadvise: FADVISE.raw,
  /** `IORING_OP_MADVISE`: address, length, `MADV_*`. */
  madvise: MADVISE.raw,
  /** `IORING_OP_FTRUNCATE`: fd, length. */
  ftruncate: FTRUNCATE.raw,
  /** `IORING_OP_STATX`: directory fd, address of the path, `AT_*` flags, `STATX_*` mask, address of the struct statx. */
  statx: STATX.raw,
  /** `IORING_OP_OPENAT2`: directory fd, address of the path, address of the struct open_how, file-table slot + 1 or 0. */
  openat2: OPENAT2.raw,
  /** `IORING_OP_SPLICE`: input fd, its offset or -1, output fd, its offset or -1, length, `SPLICE_F_*` flags. */
  splice: SPLICE.raw,
  /** `IORING_OP_TEE`: input fd, output fd, length, `SPLICE_F_*` flags. */
  tee: TEE.raw,
  /** `IORING_OP_PIPE`: address of two ints, flags, file-table slot + 1 or 0. */
  pipe: PIPE.raw,
  /** `IORING_OP_RENAMEAT`: old directory fd, address of the old path, new directory fd, address of the new path, `RENAME_*` flags. */
  renameat: RENAMEAT.raw,
  /** `IORING_OP_LINKAT`: old directory fd, address of the old path, new directory fd, address of the new path, `AT_*` flags. */
  linkat: LINKAT.raw,
  /** `IORING_OP_UNLINKAT`: directory fd, address of the path, `AT_*` flags. */
  unlinkat: UNLINKAT.raw,
  /** `IORING_OP_MKDIRAT`: directory fd, address of the path, mode. */
  mkdirat: MKDIRAT.raw,
  /** `IORING_OP_SYMLINKAT`: address of the target, directory fd, address of the path. */
  symlinkat: SYMLINKAT.raw,
  /** `IORING_OP_GETXATTR`: addresses of name, value and path, length of the value. */
  getxattr: GETXATTR.raw,
  /** `IORING_OP_FGETXATTR`: fd, addresses of name and value, length of the value. */
  fgetxattr: FGETXATTR.raw,
  /** `IORING_OP_SETXATTR`: addresses of name, value and path, `XATTR_*` flags, length of the value. */
  setxattr: SETXATTR.raw,
  /** `IORING_OP_FSETXATTR`: fd, addresses of name and value, `XATTR_*` flags, length of the value. */
  fsetxattr: FSETXATTR.raw,
  /** `IORING_OP_FIXED_FD_INSTALL`: file-table slot, flags (`IORING_FIXED_FD_*`). */
  fixedFdInstall: FIXED_FD_INSTALL.raw,
  /** `IORING_OP_FILES_UPDATE`: address of the descriptors, their number, first slot or `IORING_FILE_INDEX_ALLOC`. */
  filesUpdate: FILES_UPDATE.raw,
  /** `IORING_OP_EPOLL_CTL`: epoll fd, fd, `EPOLL_CTL_*`, address of the event. */
  epollCtl: EPOLL_CTL.raw,
  /** `IORING_OP_EPOLL_WAIT`: epoll fd, address of the events, how many fit. */
  epollWait: EPOLL_WAIT.raw,
  /** `IORING_OP_WAITID`: `P_*`, id, address of the siginfo, `W*` options, flags (0). */
  waitid: WAITID.raw,
  /** `IORING_OP_FUTEX_WAIT`: address of the word, value, mask, `FUTEX2_*` flags, flags (0). */
  futexWait: FUTEX_WAIT.raw,
  /** `IORING_OP_FUTEX_WAKE`: address of the word, how many, mask, `FUTEX2_*` flags, flags (0). */
  futexWake: FUTEX_WAKE.raw,
  /** `IORING_OP_FUTEX_WAITV`: address of the struct futex_waitv, their number, flags (0). */
  futexWaitv: FUTEX_WAITV.raw,
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

  /** Gives the write that was written last a write stream (6.16). */
  setWriteStream(stream: number): void {
    this.setWord(SQE_FILE_INDEX, stream);
  }

  /** Gives the read or write that was written last attributes (6.14): their address, and a mask of `IORING_RW_ATTR_FLAG_*`. */
  setAttributes(address: number, mask: number): void {
    this.setWord(SQE_ADDR3, address);
    this.setWord(SQE_ADDR3 + 1, high32(address));
    this.setWord(SQE_ATTR_MASK, mask);
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
