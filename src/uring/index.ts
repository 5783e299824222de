/**
 * io_uring for Bun: rings, typed operations, and the raw layer.
 *
 * @module
 */
export * as abi from "./abi.ts";
export { BufferGroup, type BufferGroupOptions, type Chunk } from "./buffer-group.ts";
export { type CompletionHandler, type Completions, RingCore, type RingCoreOptions } from "./core.ts";
export { Driver, type DriverPolicy } from "./driver.ts";
export { ProtocolError, UringError } from "./error.ts";
export { type Direction, type DirectSlot, type Fd, FixedBuffer, FixedFile, type FixedSink, type FixedSource } from "./handles.ts";
export { Lowering, MultishotOperation, Operation, type RawArgument } from "./operation.ts";
export {
  type CancelFdOptions,
  cancelFd,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  type PollOptions,
  poll,
  type TimeoutOptions,
  timeout,
} from "./ops/control.ts";
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
export { type NopOptions, nop } from "./ops/nop.ts";
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
export { type UringCmdOptions, uringCmd, uringCmd128 } from "./ops/uring-cmd.ts";
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
export { type KernelSupport, queryKernel } from "./probe.ts";
export { RawRing } from "./raw-ring.ts";
export { Registrations } from "./register.ts";
export { Ring, type RingOptions, type RunOptions, type Settled, type SingleOperation } from "./ring.ts";
export type { RingMemory, RingRecord, RingShape } from "./setup.ts";
export { SubmissionQueue } from "./submission.ts";
