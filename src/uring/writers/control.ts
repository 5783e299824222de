import { ASYNC_CANCEL } from "../ops/cancel.ts";
import { EPOLL_CTL, EPOLL_WAIT } from "../ops/epoll.ts";
import { FILES_UPDATE, FIXED_FD_INSTALL } from "../ops/file-table.ts";
import { FUTEX_WAIT, FUTEX_WAITV, FUTEX_WAKE } from "../ops/futex.ts";
import { MSG_RING, MSG_RING_FD } from "../ops/msg-ring.ts";
import { NOP, NOP128 } from "../ops/nop.ts";
import { POLL_ADD, POLL_MULTISHOT, POLL_REMOVE, POLL_UPDATE } from "../ops/poll.ts";
import { PROVIDE_BUFFERS, REMOVE_BUFFERS } from "../ops/provide.ts";
import { LINK_TIMEOUT, TIMEOUT, TIMEOUT_MULTISHOT, TIMEOUT_REMOVE, TIMEOUT_UPDATE } from "../ops/timeout.ts";
import { URING_CMD, URING_CMD_MULTISHOT, URING_CMD128 } from "../ops/uring-cmd.ts";
import { WAITID } from "../ops/waitid.ts";

/** Raw writers of the ring itself: timers, cancels, polls, messages, commands, tables, and of processes and futexes. Each comes from the declaration of its operation. */
export const controlWriters = {
  /** `IORING_OP_NOP`: flags (`IORING_NOP_*`), result to inject, fd or slot, buffer index. */
  nop: NOP.raw,
  /** `IORING_OP_NOP128` (or `NOP` where every SQE has 128 bytes): as `nop`. */
  nop128: NOP128.raw,
  /** `IORING_OP_PROVIDE_BUFFERS`: address, bytes of each, number of buffers, group, number of the first. */
  provideBuffers: PROVIDE_BUFFERS.raw,
  /** `IORING_OP_REMOVE_BUFFERS`: number of buffers, group. */
  removeBuffers: REMOVE_BUFFERS.raw,
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
  /** `IORING_OP_URING_CMD`: fd, command, address, four words of payload, flags (`IORING_URING_CMD_*`), buffer index. */
  uringCmd: URING_CMD.raw,
  /** `IORING_OP_URING_CMD128`: fd, command, address, up to 20 words of payload, flags, buffer index. */
  uringCmd128: URING_CMD128.raw,
  /** `IORING_OP_URING_CMD`, multishot: fd, command, address, four words of payload, buffer group; the slot is declared "many". */
  uringCmdMultishot: URING_CMD_MULTISHOT.raw,
} as const;
