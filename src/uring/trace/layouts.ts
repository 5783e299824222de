/**
 * What the words of an SQE are called, by opcode.
 *
 * A layout names the fields that an operation has, in the order in which they are printed: `name:field`, and where the field is a set
 * of flags the prefix of their names in the kernel's header: `name:field:PREFIX`. A `?` behind it leaves out what is zero. A word that
 * a layout does not name is printed under its own name when it is not zero: nothing is hidden.
 *
 * @module
 */

/** The fields of an SQE that a layout may name. */
export type SqeField = "fd" | "off" | "addr" | "len" | "flags" | "ioprio" | "buf" | "index" | "addr3" | "target" | "otherTarget";

/** A named field. */
export interface NamedField {
  readonly name: string;
  readonly field: SqeField;
  /** The prefix of its flags' names. */
  readonly prefix: string | undefined;
  /** Zero is not worth a word. */
  readonly optional: boolean;
}

const PLAIN = "offset:off addr:addr len:len";
const RW = `${PLAIN} rw_flags:flags? ioprio:ioprio?`;
const FIXED = `${RW} buf:buf`;
const VECTORS = "offset:off iovecs:addr count:len rw_flags:flags? ioprio:ioprio?";
const RECEIVE = "msg_flags:flags? ioprio:ioprio:IORING_RECV?";
const SEND = "msg_flags:flags? to:off? to_len:index? ioprio:ioprio:IORING_SEND,IORING_RECVSEND?";
const SOCKET_ADDRESS = "addr:addr addr_len:off";
const TIMER = "timespec:addr count:off? flags:flags:IORING_TIMEOUT? timespecs:len?";
const SLOT = "slot:index?";
const XATTR = "name:addr value:off path:addr3? len:len flags:flags?";
const COMMAND = "flags:flags:IORING_URING_CMD? addr:addr? buf:buf?";
const FUTEX = "futex:addr value:off mask:addr3 futex_flags:fd flags:flags?";

const LAYOUTS: Readonly<Record<string, string>> = {
  NOP: "result:len? flags:flags:IORING_NOP? buf:buf?",
  NOP128: "result:len? flags:flags:IORING_NOP? buf:buf?",
  READ: RW,
  WRITE: RW,
  READ_FIXED: FIXED,
  WRITE_FIXED: FIXED,
  READV: VECTORS,
  WRITEV: VECTORS,
  READV_FIXED: `${VECTORS} buf:buf`,
  WRITEV_FIXED: `${VECTORS} buf:buf`,
  READ_MULTISHOT: "offset:off rw_flags:flags? group:buf",
  FSYNC: "offset:off? len:len? flags:flags:IORING_FSYNC?",
  SYNC_FILE_RANGE: "offset:off len:len flags:flags",
  FALLOCATE: "offset:off len:addr mode:len",
  FTRUNCATE: "len:off",
  FADVISE: "offset:off len:len? long_len:addr? advice:flags",
  MADVISE: "addr:addr len:len? long_len:off? advice:flags",
  OPENAT: `path:addr flags:flags mode:len ${SLOT}`,
  OPENAT2: `path:addr how:off size:len ${SLOT}`,
  CLOSE: SLOT,
  STATX: "path:addr mask:len flags:flags? statx:off",
  RENAMEAT: "old_path:addr new_fd:len new_path:off flags:flags?",
  LINKAT: "old_path:addr new_fd:len new_path:off flags:flags?",
  UNLINKAT: "path:addr flags:flags?",
  MKDIRAT: "path:addr mode:len",
  SYMLINKAT: "target:addr path:off",
  GETXATTR: XATTR,
  SETXATTR: XATTR,
  FGETXATTR: XATTR,
  FSETXATTR: XATTR,
  SPLICE: "offset:off from:index from_offset:addr len:len flags:flags?",
  TEE: "from:index len:len flags:flags?",
  PIPE: `fds:addr flags:flags? ${SLOT}`,
  FILES_UPDATE: "fds:addr count:len first:off",
  FIXED_FD_INSTALL: "flags:flags:IORING_FIXED_FD?",
  PROVIDE_BUFFERS: "buffers:fd addr:addr size:len group:buf first:off",
  REMOVE_BUFFERS: "buffers:fd group:buf",
  SOCKET: `domain:fd type:off protocol:len ${SLOT}`,
  BIND: SOCKET_ADDRESS,
  CONNECT: SOCKET_ADDRESS,
  LISTEN: "backlog:len",
  SHUTDOWN: "how:len",
  ACCEPT: `addr:addr? addr_len:off? flags:flags? ioprio:ioprio:IORING_ACCEPT? ${SLOT}`,
  SEND: `addr:addr len:len ${SEND} buf:buf?`,
  SEND_ZC: `addr:addr len:len ${SEND} buf:buf?`,
  SENDMSG: `msg:addr count:len ${SEND}`,
  SENDMSG_ZC: `msg:addr count:len ${SEND} buf:buf?`,
  RECV: `addr:addr len:len total:index? ${RECEIVE} buf:buf?`,
  RECVMSG: `msg:addr count:len ${RECEIVE} group:buf?`,
  RECV_ZC: `total:len queue:index ${RECEIVE}`,
  EPOLL_CTL: "change:len of:off event:addr",
  EPOLL_WAIT: "events:addr count:len",
  POLL_ADD: "events:flags flags:len:IORING_POLL?",
  POLL_REMOVE: "of:target events:flags? flags:len:IORING_POLL? becomes:otherTarget?",
  TIMEOUT: TIMER,
  LINK_TIMEOUT: TIMER,
  TIMEOUT_REMOVE: "of:target timespec:off? flags:flags:IORING_TIMEOUT?",
  ASYNC_CANCEL: "of:target? flags:flags:IORING_ASYNC_CANCEL? opcode:len?",
  WAITID: "id:fd type:len options:index info:off flags:flags?",
  FUTEX_WAIT: FUTEX,
  FUTEX_WAKE: FUTEX,
  FUTEX_WAITV: "futexes:addr count:off flags:flags?",
  MSG_RING: "to:otherTarget kind:addr result:len flags:flags:IORING_MSG_RING? from:addr3? slot:index?",
  URING_CMD: COMMAND,
  URING_CMD128: COMMAND,
};

function parse(layout: string): readonly NamedField[] {
  return layout.split(" ").map((text) => {
    const optional = text.endsWith("?");
    const [name = "", field = "", prefix] = (optional ? text.slice(0, -1) : text).split(":");
    return { name, field: field as SqeField, prefix, optional };
  });
}

const PARSED = new Map<string, readonly NamedField[]>();

/** The fields of an operation, by its name in the header without `IORING_OP_`. */
export function layoutOf(operation: string): readonly NamedField[] {
  let fields = PARSED.get(operation);
  if (fields === undefined) PARSED.set(operation, (fields = operation in LAYOUTS ? parse(LAYOUTS[operation]!) : []));
  return fields;
}
