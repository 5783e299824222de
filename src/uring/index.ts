/**
 * io_uring for Bun: rings, typed operations, and the raw layer.
 *
 * @module
 */
export * as abi from "./abi.ts";
export { BufferGroup, type BufferGroupOptions, type Bundle, type Chunk, type HeldBundle, type HeldChunk } from "./buffer-group.ts";
export { BufferRing, type BufferRingOptions } from "./buffer-ring.ts";
export type { CancelAny, CancelBy, CancelMatch } from "./cancel-match.ts";
export { type ControlMessage, controlSpace, descriptorsMessage, descriptorsOf } from "./control-message.ts";
export { type CompletionHandler, type Completions, RingCore, type RingCoreOptions, type TemplateHandler } from "./core.ts";
export { Driver } from "./driver.ts";
export type { DriverPolicy } from "./driver-policy.ts";
export type { EnterOptions } from "./enter.ts";
export { ProtocolError, ShortTransferError, TimeLimitError, UringError } from "./error.ts";
export { FEATURES, type FeatureName } from "./features.ts";
export * from "./file-constants.ts";
export { type FullRead, type ReadAllOptions, readAll, type WriteAllOptions, writeAll } from "./full.ts";
export { OperationHandle, type RawTarget, type Target } from "./handle.ts";
export {
  type Direction,
  type DirectSlot,
  type Fd,
  FixedBuffer,
  FixedFile,
  type FixedSink,
  type FixedSource,
  type Lender,
} from "./handles.ts";
export { Lowering, type Modifiers } from "./lowering.ts";
export { type MailAddress, Mailbox, type Message, RawMailbox, ResourceTag } from "./mailbox.ts";
export {
  type ImpersonalOperation,
  MultishotOperation,
  Operation,
  type RawArgument,
  TransferOperation,
  type UndrainableOperation,
} from "./operation.ts";
export { type AcceptBase, type AcceptDirectOptions, type Accepted, type AcceptOptions, accept, acceptDirect } from "./ops/accept.ts";
export { acceptMultishot, acceptMultishotDirect } from "./ops/accept-multishot.ts";
export { type CancelFdOptions, cancel, cancelFd } from "./ops/cancel.ts";
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
  linkat,
  type MkdiratOptions,
  mkdirat,
  renameat,
  type SymlinkatOptions,
  symlinkat,
  type TwoPathsOptions,
  type UnlinkatOptions,
  unlinkat,
} from "./ops/directory.ts";
export { type EpollChange, type EpollCtlOptions, type EpollEvent, type EpollWaitOptions, epollCtl, epollWait } from "./ops/epoll.ts";
export {
  close,
  closeDirect,
  type FallocateOptions,
  type FsyncOptions,
  fallocate,
  fsync,
  type OpenatDirectOptions,
  type OpenatOptions,
  openat,
  openatDirect,
} from "./ops/file.ts";
export { type FilesUpdateOptions, type FixedFdInstallOptions, filesUpdate, fixedFdInstall } from "./ops/file-table.ts";
export {
  type FutexWaitOptions,
  type FutexWaitvOptions,
  type FutexWakeOptions,
  type FutexWord,
  futexWait,
  futexWaitv,
  futexWake,
} from "./ops/futex.ts";
export { type GetsocknameOptions, getsockname } from "./ops/getsockname.ts";
export type { TransferBase } from "./ops/message-options.ts";
export { type MailTarget, type MsgRingFdOptions, type MsgRingOptions, msgRing, msgRingFd } from "./ops/msg-ring.ts";
export { type NopOptions, nop, nop128 } from "./ops/nop.ts";
export { type Openat2DirectOptions, type Openat2Options, openat2, openat2Direct } from "./ops/open.ts";
export { type PipeDirectOptions, type PipeEnds, type PipeOptions, pipe, pipeDirect } from "./ops/pipe.ts";
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
export { type ProvideBuffersOptions, provideBuffers, type RemoveBuffersOptions, removeBuffers } from "./ops/provide.ts";
export {
  type FadviseOptions,
  type FtruncateOptions,
  fadvise,
  ftruncate,
  type MadviseOptions,
  madvise,
  type SyncFileRangeOptions,
  syncFileRange,
} from "./ops/range.ts";
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
export { type ReadMultishotOptions, type ReadProvidedOptions, readMultishot, readProvided } from "./ops/read-group.ts";
export { type RecvGroupedOptions, type RecvOptions, recv } from "./ops/recv.ts";
export { type RecvMultishotOptions, recvMultishot } from "./ops/recv-multishot.ts";
export { type RecvZcOptions, recvZc, type ZeroCopyRange } from "./ops/recv-zc.ts";
export { type MessageInfo, type ReceivedMessage, type RecvmsgOptions, recvmsg } from "./ops/recvmsg.ts";
export { type MessageChunk, type RecvmsgMultishotOptions, recvmsgMultishot } from "./ops/recvmsg-multishot.ts";
export type { ProtectionInformation, TransferOptions, WriteTransferOptions } from "./ops/rw.ts";
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
export { type SpliceOptions, splice, type TeeOptions, tee } from "./ops/splice.ts";
export { type StatxOptions, statx } from "./ops/statx.ts";
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
export { type TxTimestamp, txTimestamp } from "./ops/tx-timestamp.ts";
export { type UringCmdMultishotOptions, type UringCmdOptions, uringCmd, uringCmd128, uringCmdMultishot } from "./ops/uring-cmd.ts";
export { type ChildChange, type ChildStatus, type WaitidOptions, type WaitidType, waitid } from "./ops/waitid.ts";
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
export {
  type FgetxattrOptions,
  type FsetxattrOptions,
  fgetxattr,
  fsetxattr,
  type GetxattrOptions,
  getxattr,
  type SetxattrOptions,
  setxattr,
} from "./ops/xattr.ts";
export { All, all } from "./plans/all.ts";
export type { Patch } from "./plans/bindings.ts";
export { Chain, type ChainMaker, chain, type Follower, type FreeLink, type Link } from "./plans/chain.ts";
export { Deadline, deadline } from "./plans/deadline.ts";
export { Explanation } from "./plans/explanation.ts";
export { Group, type GroupOptions, type GroupValue, group, type Leading, type Member } from "./plans/group.ts";
export type {
  AllOutcome,
  ChainOutcome,
  DeadlineOutcome,
  Ended,
  GroupOutcome,
  RetryOutcome,
  Settled,
  Status,
  Unsuccessful,
} from "./plans/outcome.ts";
export { Always, type Part, Plan } from "./plans/plan.ts";
export { Prepared, type PreparedOptions } from "./plans/prepared.ts";
export { Retry, type RetryRule, retry } from "./plans/retry.ts";
export type { PlanOptions, PrepareOptions } from "./plans/runner.ts";
export type { OutcomeOf, Outcomes, ValueOf, Values } from "./plans/shape.ts";
export { Step, step } from "./plans/step.ts";
export { type IoClass, ioPriority } from "./priority.ts";
export { type KernelSupport, queryKernel, queryRingHeader, queryZeroCopyReceive, type ZeroCopyReceiveSupport } from "./probe.ts";
export * from "./process-constants.ts";
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
export type { RingOptions, RunOptions, SingleOperation } from "./ring-options.ts";
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
export { type DeviceNumber, FileTime, type FileType, type Stat } from "./stat.ts";
export { SubmissionQueue } from "./submission.ts";
export type { Annotate, RingTrace } from "./trace/ring-trace.ts";
export type { CommandText, DescribeCommand } from "./trace/sqe.ts";
export { tracing } from "./trace/switch.ts";
export { type Limited, within } from "./within.ts";
