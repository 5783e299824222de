/**
 * Constants of `linux/io_uring.h` (and `linux/io_uring/query.h`), kernel 7.2.12, under the kernel's own names.
 *
 * Derived from the header; checked against the golden table of the tests. Do not edit by hand.
 *
 * @module
 */

export const IORING_RW_ATTR_FLAG_PI = 1;

export const IORING_FILE_INDEX_ALLOC = 0xffffffff;

export const IOSQE_FIXED_FILE = 1;

export const IOSQE_IO_DRAIN = 2;
export const IOSQE_IO_LINK = 4;
export const IOSQE_IO_HARDLINK = 8;

export const IOSQE_ASYNC = 0x10;

export const IOSQE_BUFFER_SELECT = 0x20;

export const IOSQE_CQE_SKIP_SUCCESS = 0x40;

export const IORING_SETUP_IOPOLL = 1;
export const IORING_SETUP_SQPOLL = 2;
export const IORING_SETUP_SQ_AFF = 4;
export const IORING_SETUP_CQSIZE = 8;
export const IORING_SETUP_CLAMP = 0x10;
export const IORING_SETUP_ATTACH_WQ = 0x20;
export const IORING_SETUP_R_DISABLED = 0x40;
export const IORING_SETUP_SUBMIT_ALL = 0x80;
export const IORING_SETUP_COOP_TASKRUN = 0x100;
export const IORING_SETUP_TASKRUN_FLAG = 0x200;
export const IORING_SETUP_SQE128 = 0x400;
export const IORING_SETUP_CQE32 = 0x800;
export const IORING_SETUP_SINGLE_ISSUER = 0x1000;
export const IORING_SETUP_DEFER_TASKRUN = 0x2000;
export const IORING_SETUP_NO_MMAP = 0x4000;
export const IORING_SETUP_REGISTERED_FD_ONLY = 0x8000;
export const IORING_SETUP_NO_SQARRAY = 0x10000;
export const IORING_SETUP_HYBRID_IOPOLL = 0x20000;
export const IORING_SETUP_CQE_MIXED = 0x40000;
export const IORING_SETUP_SQE_MIXED = 0x80000;
export const IORING_SETUP_SQ_REWIND = 0x100000;

export const IORING_URING_CMD_FIXED = 1;
export const IORING_URING_CMD_MULTISHOT = 2;
export const IORING_URING_CMD_MASK = 3;

export const IORING_FSYNC_DATASYNC = 1;

export const IORING_TIMEOUT_ABS = 1;
export const IORING_TIMEOUT_UPDATE = 2;
export const IORING_TIMEOUT_BOOTTIME = 4;
export const IORING_TIMEOUT_REALTIME = 8;

export const IORING_LINK_TIMEOUT_UPDATE = 0x10;

export const IORING_TIMEOUT_ETIME_SUCCESS = 0x20;
export const IORING_TIMEOUT_MULTISHOT = 0x40;
export const IORING_TIMEOUT_IMMEDIATE_ARG = 0x80;
export const IORING_TIMEOUT_CLOCK_MASK = 0xc;
export const IORING_TIMEOUT_UPDATE_MASK = 0x12;

export const IORING_POLL_ADD_MULTI = 1;
export const IORING_POLL_UPDATE_EVENTS = 2;
export const IORING_POLL_UPDATE_USER_DATA = 4;
export const IORING_POLL_ADD_LEVEL = 8;

export const IORING_ASYNC_CANCEL_ALL = 1;
export const IORING_ASYNC_CANCEL_FD = 2;
export const IORING_ASYNC_CANCEL_ANY = 4;
export const IORING_ASYNC_CANCEL_FD_FIXED = 8;
export const IORING_ASYNC_CANCEL_USERDATA = 0x10;
export const IORING_ASYNC_CANCEL_OP = 0x20;

export const IORING_RECVSEND_POLL_FIRST = 1;

export const IORING_RECV_MULTISHOT = 2;

export const IORING_RECVSEND_FIXED_BUF = 4;

export const IORING_SEND_ZC_REPORT_USAGE = 8;

export const IORING_RECVSEND_BUNDLE = 0x10;

export const IORING_SEND_VECTORIZED = 0x20;

export const IORING_NOTIF_USAGE_ZC_COPIED = 0x80000000;

export const IORING_ACCEPT_MULTISHOT = 1;
export const IORING_ACCEPT_DONTWAIT = 2;
export const IORING_ACCEPT_POLL_FIRST = 4;

export const IORING_MSG_RING_CQE_SKIP = 1;
export const IORING_MSG_RING_FLAGS_PASS = 2;

export const IORING_FIXED_FD_NO_CLOEXEC = 1;

export const IORING_NOP_INJECT_RESULT = 1;
export const IORING_NOP_FILE = 2;
export const IORING_NOP_FIXED_FILE = 4;
export const IORING_NOP_FIXED_BUFFER = 8;
export const IORING_NOP_TW = 0x10;
export const IORING_NOP_CQE32 = 0x20;

export const IORING_CQE_F_BUFFER = 1;
export const IORING_CQE_F_MORE = 2;
export const IORING_CQE_F_SOCK_NONEMPTY = 4;
export const IORING_CQE_F_NOTIF = 8;
export const IORING_CQE_F_BUF_MORE = 0x10;
export const IORING_CQE_F_SKIP = 0x20;
export const IORING_CQE_F_32 = 0x8000;
export const IORING_CQE_BUFFER_SHIFT = 0x10;

export const IORING_OFF_SQ_RING = 0;
export const IORING_OFF_CQ_RING = 0x8000000;
export const IORING_OFF_SQES = 0x10000000;
export const IORING_OFF_PBUF_RING = 0x80000000;
export const IORING_OFF_PBUF_SHIFT = 0x10;
export const IORING_OFF_MMAP_MASK = 0xf8000000;

export const IORING_SQ_NEED_WAKEUP = 1;
export const IORING_SQ_CQ_OVERFLOW = 2;
export const IORING_SQ_TASKRUN = 4;

export const IORING_CQ_EVENTFD_DISABLED = 1;

export const IORING_ENTER_GETEVENTS = 1;
export const IORING_ENTER_SQ_WAKEUP = 2;
export const IORING_ENTER_SQ_WAIT = 4;
export const IORING_ENTER_EXT_ARG = 8;
export const IORING_ENTER_REGISTERED_RING = 0x10;
export const IORING_ENTER_ABS_TIMER = 0x20;
export const IORING_ENTER_EXT_ARG_REG = 0x40;
export const IORING_ENTER_NO_IOWAIT = 0x80;

export const IORING_FEAT_SINGLE_MMAP = 1;
export const IORING_FEAT_NODROP = 2;
export const IORING_FEAT_SUBMIT_STABLE = 4;
export const IORING_FEAT_RW_CUR_POS = 8;
export const IORING_FEAT_CUR_PERSONALITY = 0x10;
export const IORING_FEAT_FAST_POLL = 0x20;
export const IORING_FEAT_POLL_32BITS = 0x40;
export const IORING_FEAT_SQPOLL_NONFIXED = 0x80;
export const IORING_FEAT_EXT_ARG = 0x100;
export const IORING_FEAT_NATIVE_WORKERS = 0x200;
export const IORING_FEAT_RSRC_TAGS = 0x400;
export const IORING_FEAT_CQE_SKIP = 0x800;
export const IORING_FEAT_LINKED_FILE = 0x1000;
export const IORING_FEAT_REG_REG_RING = 0x2000;
export const IORING_FEAT_RECVSEND_BUNDLE = 0x4000;
export const IORING_FEAT_MIN_TIMEOUT = 0x8000;
export const IORING_FEAT_RW_ATTR = 0x10000;
export const IORING_FEAT_NO_IOWAIT = 0x20000;

export const IORING_RSRC_REGISTER_SPARSE = 1;

export const IORING_REGISTER_FILES_SKIP = -2;

export const IO_URING_OP_SUPPORTED = 1;

export const IORING_TIMESTAMP_HW_SHIFT = 0x10;
export const IORING_TIMESTAMP_TYPE_SHIFT = 0x11;

export const IORING_CQE_F_TSTAMP_HW = 0x10000;

export const IOSQE_FIXED_FILE_BIT = 0;

export const IOSQE_IO_DRAIN_BIT = 1;
export const IOSQE_IO_LINK_BIT = 2;
export const IOSQE_IO_HARDLINK_BIT = 3;

export const IOSQE_ASYNC_BIT = 4;

export const IOSQE_BUFFER_SELECT_BIT = 5;

export const IOSQE_CQE_SKIP_SUCCESS_BIT = 6;

export const IORING_OP_NOP = 0;
export const IORING_OP_READV = 1;
export const IORING_OP_WRITEV = 2;
export const IORING_OP_FSYNC = 3;
export const IORING_OP_READ_FIXED = 4;
export const IORING_OP_WRITE_FIXED = 5;
export const IORING_OP_POLL_ADD = 6;
export const IORING_OP_POLL_REMOVE = 7;
export const IORING_OP_SYNC_FILE_RANGE = 8;
export const IORING_OP_SENDMSG = 9;
export const IORING_OP_RECVMSG = 0xa;
export const IORING_OP_TIMEOUT = 0xb;
export const IORING_OP_TIMEOUT_REMOVE = 0xc;
export const IORING_OP_ACCEPT = 0xd;
export const IORING_OP_ASYNC_CANCEL = 0xe;
export const IORING_OP_LINK_TIMEOUT = 0xf;
export const IORING_OP_CONNECT = 0x10;
export const IORING_OP_FALLOCATE = 0x11;
export const IORING_OP_OPENAT = 0x12;
export const IORING_OP_CLOSE = 0x13;
export const IORING_OP_FILES_UPDATE = 0x14;
export const IORING_OP_STATX = 0x15;
export const IORING_OP_READ = 0x16;
export const IORING_OP_WRITE = 0x17;
export const IORING_OP_FADVISE = 0x18;
export const IORING_OP_MADVISE = 0x19;
export const IORING_OP_SEND = 0x1a;
export const IORING_OP_RECV = 0x1b;
export const IORING_OP_OPENAT2 = 0x1c;
export const IORING_OP_EPOLL_CTL = 0x1d;
export const IORING_OP_SPLICE = 0x1e;
export const IORING_OP_PROVIDE_BUFFERS = 0x1f;
export const IORING_OP_REMOVE_BUFFERS = 0x20;
export const IORING_OP_TEE = 0x21;
export const IORING_OP_SHUTDOWN = 0x22;
export const IORING_OP_RENAMEAT = 0x23;
export const IORING_OP_UNLINKAT = 0x24;
export const IORING_OP_MKDIRAT = 0x25;
export const IORING_OP_SYMLINKAT = 0x26;
export const IORING_OP_LINKAT = 0x27;
export const IORING_OP_MSG_RING = 0x28;
export const IORING_OP_FSETXATTR = 0x29;
export const IORING_OP_SETXATTR = 0x2a;
export const IORING_OP_FGETXATTR = 0x2b;
export const IORING_OP_GETXATTR = 0x2c;
export const IORING_OP_SOCKET = 0x2d;
export const IORING_OP_URING_CMD = 0x2e;
export const IORING_OP_SEND_ZC = 0x2f;
export const IORING_OP_SENDMSG_ZC = 0x30;
export const IORING_OP_READ_MULTISHOT = 0x31;
export const IORING_OP_WAITID = 0x32;
export const IORING_OP_FUTEX_WAIT = 0x33;
export const IORING_OP_FUTEX_WAKE = 0x34;
export const IORING_OP_FUTEX_WAITV = 0x35;
export const IORING_OP_FIXED_FD_INSTALL = 0x36;
export const IORING_OP_FTRUNCATE = 0x37;
export const IORING_OP_BIND = 0x38;
export const IORING_OP_LISTEN = 0x39;
export const IORING_OP_RECV_ZC = 0x3a;
export const IORING_OP_EPOLL_WAIT = 0x3b;
export const IORING_OP_READV_FIXED = 0x3c;
export const IORING_OP_WRITEV_FIXED = 0x3d;
export const IORING_OP_PIPE = 0x3e;
export const IORING_OP_NOP128 = 0x3f;
export const IORING_OP_URING_CMD128 = 0x40;
export const IORING_OP_LAST = 0x41;

export const IORING_MSG_DATA = 0;
export const IORING_MSG_SEND_FD = 1;

export const IORING_REGISTER_BUFFERS = 0;

export const IORING_UNREGISTER_BUFFERS = 1;

export const IORING_REGISTER_FILES = 2;

export const IORING_UNREGISTER_FILES = 3;

export const IORING_REGISTER_EVENTFD = 4;

export const IORING_UNREGISTER_EVENTFD = 5;

export const IORING_REGISTER_FILES_UPDATE = 6;
export const IORING_REGISTER_EVENTFD_ASYNC = 7;
export const IORING_REGISTER_PROBE = 8;
export const IORING_REGISTER_PERSONALITY = 9;

export const IORING_UNREGISTER_PERSONALITY = 0xa;

export const IORING_REGISTER_RESTRICTIONS = 0xb;
export const IORING_REGISTER_ENABLE_RINGS = 0xc;
export const IORING_REGISTER_FILES2 = 0xd;
export const IORING_REGISTER_FILES_UPDATE2 = 0xe;
export const IORING_REGISTER_BUFFERS2 = 0xf;
export const IORING_REGISTER_BUFFERS_UPDATE = 0x10;
export const IORING_REGISTER_IOWQ_AFF = 0x11;

export const IORING_UNREGISTER_IOWQ_AFF = 0x12;

export const IORING_REGISTER_IOWQ_MAX_WORKERS = 0x13;
export const IORING_REGISTER_RING_FDS = 0x14;

export const IORING_UNREGISTER_RING_FDS = 0x15;

export const IORING_REGISTER_PBUF_RING = 0x16;

export const IORING_UNREGISTER_PBUF_RING = 0x17;

export const IORING_REGISTER_SYNC_CANCEL = 0x18;
export const IORING_REGISTER_FILE_ALLOC_RANGE = 0x19;
export const IORING_REGISTER_PBUF_STATUS = 0x1a;
export const IORING_REGISTER_NAPI = 0x1b;

export const IORING_UNREGISTER_NAPI = 0x1c;

export const IORING_REGISTER_CLOCK = 0x1d;
export const IORING_REGISTER_CLONE_BUFFERS = 0x1e;
export const IORING_REGISTER_SEND_MSG_RING = 0x1f;
export const IORING_REGISTER_ZCRX_IFQ = 0x20;
export const IORING_REGISTER_RESIZE_RINGS = 0x21;
export const IORING_REGISTER_MEM_REGION = 0x22;
export const IORING_REGISTER_QUERY = 0x23;
export const IORING_REGISTER_ZCRX_CTRL = 0x24;
export const IORING_REGISTER_BPF_FILTER = 0x25;
export const IORING_REGISTER_LAST = 0x26;
export const IORING_REGISTER_USE_REGISTERED_RING = 0x80000000;

export const IORING_MEM_REGION_TYPE_USER = 1;
export const IORING_MEM_REGION_REG_WAIT_ARG = 1;

export const IORING_REGISTER_SRC_REGISTERED = 1;
export const IORING_REGISTER_DST_REPLACE = 2;

export const IOU_PBUF_RING_MMAP = 1;
export const IOU_PBUF_RING_INC = 2;

export const IO_URING_NAPI_REGISTER_OP = 0;
export const IO_URING_NAPI_STATIC_ADD_ID = 1;
export const IO_URING_NAPI_STATIC_DEL_ID = 2;
export const IO_URING_NAPI_TRACKING_DYNAMIC = 0;
export const IO_URING_NAPI_TRACKING_STATIC = 1;
export const IO_URING_NAPI_TRACKING_INACTIVE = 0xff;

export const IORING_RESTRICTION_REGISTER_OP = 0;
export const IORING_RESTRICTION_SQE_OP = 1;
export const IORING_RESTRICTION_SQE_FLAGS_ALLOWED = 2;
export const IORING_RESTRICTION_SQE_FLAGS_REQUIRED = 3;
export const IORING_RESTRICTION_LAST = 4;

export const IORING_REG_WAIT_TS = 1;

export const IORING_ZCRX_AREA_SHIFT = 0x30;
export const IORING_ZCRX_AREA_MASK = 0xffff000000000000n;
export const IORING_ZCRX_AREA_DMABUF = 1;

export const IO_URING_QUERY_OPCODES = 0;
export const IO_URING_QUERY_ZCRX = 1;
export const IO_URING_QUERY_SCQ = 2;
export const IO_URING_QUERY_ZCRX_EVENT = 3;

export const SOCKET_URING_OP_SIOCINQ = 0;
export const SOCKET_URING_OP_SIOCOUTQ = 1;
export const SOCKET_URING_OP_GETSOCKOPT = 2;
export const SOCKET_URING_OP_SETSOCKOPT = 3;
export const SOCKET_URING_OP_TX_TIMESTAMP = 4;
export const SOCKET_URING_OP_GETSOCKNAME = 5;
