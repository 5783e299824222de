/**
 * io_uring for Bun: rings, typed operations, and the raw layer.
 *
 * @module
 */
export * as abi from "./abi.ts";
export { BufferGroup, type BufferGroupOptions, type Chunk } from "./buffer-group.ts";
export type { CancelAny, CancelBy, CancelMatch } from "./cancel-match.ts";
export { type CompletionHandler, type Completions, RingCore, type RingCoreOptions } from "./core.ts";
export { Driver, type DriverPolicy } from "./driver.ts";
export type { EnterOptions } from "./enter.ts";
export { ProtocolError, UringError } from "./error.ts";
export { FEATURES, type FeatureName } from "./features.ts";
export { OperationHandle, type RawTarget, type Target } from "./handle.ts";
export { type Direction, type DirectSlot, type Fd, FixedBuffer, FixedFile, type FixedSink, type FixedSource } from "./handles.ts";
export { type MailAddress, Mailbox, type Message, RawMailbox, ResourceTag } from "./mailbox.ts";
export { type ImpersonalOperation, Lowering, type Modifiers, MultishotOperation, Operation, type RawArgument } from "./operation.ts";
export { type CancelFdOptions, cancel, cancelFd } from "./ops/cancel.ts";
export {
  close,
  closeDirect,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  type FallocateOptions,
  type FsyncOptions,
  fallocate,
  fsync,
  type OpenatDirectOptions,
  type OpenatOptions,
  openat,
  openatDirect,
} from "./ops/file.ts";
export { type MailTarget, type MsgRingFdOptions, type MsgRingOptions, msgRing, msgRingFd } from "./ops/msg-ring.ts";
export { type NopOptions, nop, nop128 } from "./ops/nop.ts";
export {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  type PollOptions,
  type PollRemoveOptions,
  type PollUpdateOptions,
  poll,
  pollMultishot,
  pollRemove,
  pollUpdate,
} from "./ops/poll.ts";
export {
  type ReadFixedOptions,
  type ReadOptions,
  type ReadvFixedOptions,
  type ReadvOptions,
  read,
  readFixed,
  readv,
  readvFixed,
} from "./ops/read.ts";
export {
  MSG_WAITALL,
  type RecvMultishotOptions,
  recv,
  recvMultishot,
  type SocketOptions,
  send,
  sendZc,
  type ZeroCopySend,
} from "./ops/socket.ts";
export type { TimeoutClock } from "./ops/time.ts";
export {
  type TimeoutMultishotOptions,
  type TimeoutOptions,
  type TimeoutRemoveOptions,
  type TimeoutUpdateOptions,
  timeout,
  timeoutMultishot,
  timeoutRemove,
  timeoutUpdate,
} from "./ops/timeout.ts";
export {
  type UringCmdMultishotOptions,
  type UringCmdOptions,
  uringCmd,
  uringCmd128,
  uringCmdMultishot,
} from "./ops/uring-cmd.ts";
export {
  type WriteFixedOptions,
  type WriteOptions,
  type WritevFixedOptions,
  type WritevOptions,
  write,
  writeFixed,
  writev,
  writevFixed,
} from "./ops/write.ts";
export { type KernelSupport, queryKernel, queryRingHeader, queryZeroCopyReceive, type ZeroCopyReceiveSupport } from "./probe.ts";
export { RawRing } from "./raw-ring.ts";
export {
  BPF_CONTEXT,
  type BpfFilter,
  type BpfInstruction,
  type BufferRange,
  bpf,
  type CloneBuffersOptions,
  filterThread,
  KEEP_FILE,
  type MemoryRegionOptions,
  type MessageOptions,
  type NapiSettings,
  NO_FILE,
  Registrations,
  type Restrictions,
  restrictThread,
  sendMessage,
  type ZcrxInterface,
  type ZcrxInterfaceOptions,
} from "./register/index.ts";
export type { ResizeOptions } from "./resize.ts";
export { Ring } from "./ring.ts";
export type { RingOptions, RunOptions, Settled, SingleOperation } from "./ring-options.ts";
export type { RingMemory, RingRecord, RingShape } from "./setup.ts";
export { SubmissionQueue } from "./submission.ts";
