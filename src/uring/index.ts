/**
 * io_uring for Bun: rings, typed operations, and the raw layer.
 *
 * @module
 */
export * as abi from "./abi.ts";
export {
  BufferGroup,
  type BufferGroupOptions,
  type Bundle,
  type Chunk,
  type HeldBundle,
  type HeldChunk,
} from "./buffer-group.ts";
export { type ControlMessage, controlSpace, descriptorsMessage, descriptorsOf } from "./control-message.ts";
export { type CompletionHandler, type Completions, RingCore, type RingCoreOptions } from "./core.ts";
export { Driver, type DriverPolicy } from "./driver.ts";
export { ProtocolError, UringError } from "./error.ts";
export { type Direction, type DirectSlot, type Fd, FixedBuffer, FixedFile, type FixedSink, type FixedSource } from "./handles.ts";
export { Lowering, MultishotOperation, Operation, type RawArgument } from "./operation.ts";
export {
  type AcceptBase,
  type AcceptDirectOptions,
  type Accepted,
  type AcceptOptions,
  accept,
  acceptDirect,
} from "./ops/accept.ts";
export { acceptMultishot, acceptMultishotDirect } from "./ops/accept-multishot.ts";
export {
  type AddressedOptions,
  bind,
  connect,
  type ListenOptions,
  listen,
  type ShutdownOptions,
  type SocketDirectOptions,
  type SocketOptions,
  shutdown,
  socket,
  socketDirect,
} from "./ops/connection.ts";
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
export { type GetsocknameOptions, getsockname } from "./ops/getsockname.ts";
export type { TransferBase } from "./ops/message-options.ts";
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
export { type RecvGroupedOptions, type RecvOptions, recv } from "./ops/recv.ts";
export { type RecvMultishotOptions, recvMultishot } from "./ops/recv-multishot.ts";
export { type RecvZcOptions, recvZc, type ZeroCopyRange } from "./ops/recv-zc.ts";
export { type MessageInfo, type ReceivedMessage, type RecvmsgOptions, recvmsg } from "./ops/recvmsg.ts";
export { type MessageChunk, type RecvmsgMultishotOptions, recvmsgMultishot } from "./ops/recvmsg-multishot.ts";
export {
  type SendBuffersOptions,
  type SendBundleOptions,
  type SendGroupedOptions,
  type SendOptions,
  send,
  sendBundle,
} from "./ops/send.ts";
export {
  type AnySendZc,
  type ReportedSend,
  type SendZcBuffersOptions,
  type SendZcOptions,
  sendZc,
  type ZeroCopyBase,
  type ZeroCopySend,
  type ZeroCopyUsage,
} from "./ops/send-zc.ts";
export { type MessageParts, type SendmsgOptions, type SendmsgZcOptions, sendmsg, sendmsgZc } from "./ops/sendmsg.ts";
export {
  type GetsockoptOptions,
  getsockopt,
  type SetsockoptOptions,
  type SocketCommandOptions,
  setsockopt,
  siocinq,
  siocoutq,
} from "./ops/socket-command.ts";
export { type TxTimestamp, txTimestamp } from "./ops/tx-timestamp.ts";
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
export { SendGroup, type SendGroupOptions } from "./send-group.ts";
export type { RingMemory, RingRecord, RingShape } from "./setup.ts";
export {
  decodeSocketAddress,
  encodeSocketAddress,
  type Ipv4Address,
  type Ipv6Address,
  type OtherAddress,
  peerName,
  type SocketAddress,
  socketName,
  type UnixAddress,
} from "./socket-address.ts";
export * from "./socket-constants.ts";
export { SubmissionQueue } from "./submission.ts";
