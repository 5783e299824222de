import { type RingSyscalls, ringSyscalls } from "../ffi/index.ts";
import * as abi from "./abi.ts";
import { RingCore } from "./core.ts";
import { UringError } from "./error.ts";
import { kernelIsAtLeast } from "./kernel-release.ts";
import { nearest } from "./options.ts";
import { type KernelSupport, queryKernel } from "./probe.ts";

const ETIME = -62;
const EOPNOTSUPP = -95;

/** Flags and register operations by the kernel's name, and the Linux that brought them. */
export const FEATURES = {
  IORING_SETUP_IOPOLL: "5.1",
  IORING_SETUP_SQPOLL: "5.1",
  IORING_SETUP_SQ_AFF: "5.1",
  IORING_SETUP_CQSIZE: "5.5",
  IORING_SETUP_CLAMP: "5.6",
  IORING_SETUP_ATTACH_WQ: "5.6",
  IORING_SETUP_R_DISABLED: "5.10",
  IORING_SETUP_SUBMIT_ALL: "5.18",
  IORING_SETUP_COOP_TASKRUN: "5.19",
  IORING_SETUP_TASKRUN_FLAG: "5.19",
  IORING_SETUP_SQE128: "5.19",
  IORING_SETUP_CQE32: "5.19",
  IORING_SETUP_SINGLE_ISSUER: "6.0",
  IORING_SETUP_DEFER_TASKRUN: "6.1",
  IORING_SETUP_NO_MMAP: "6.5",
  IORING_SETUP_REGISTERED_FD_ONLY: "6.5",
  IORING_SETUP_NO_SQARRAY: "6.6",
  IORING_SETUP_HYBRID_IOPOLL: "6.13",
  IORING_SETUP_CQE_MIXED: "6.18",
  IORING_SETUP_SQE_MIXED: "6.19",
  IORING_SETUP_SQ_REWIND: "7.0",

  IORING_FEAT_SINGLE_MMAP: "5.4",
  IORING_FEAT_NODROP: "5.5",
  IORING_FEAT_SUBMIT_STABLE: "5.5",
  IORING_FEAT_RW_CUR_POS: "5.6",
  IORING_FEAT_CUR_PERSONALITY: "5.6",
  IORING_FEAT_FAST_POLL: "5.7",
  IORING_FEAT_POLL_32BITS: "5.9",
  IORING_FEAT_SQPOLL_NONFIXED: "5.11",
  IORING_FEAT_EXT_ARG: "5.11",
  IORING_FEAT_NATIVE_WORKERS: "5.12",
  IORING_FEAT_RSRC_TAGS: "5.13",
  IORING_FEAT_CQE_SKIP: "5.17",
  IORING_FEAT_LINKED_FILE: "5.17",
  IORING_FEAT_REG_REG_RING: "6.3",
  IORING_FEAT_RECVSEND_BUNDLE: "6.10",
  IORING_FEAT_MIN_TIMEOUT: "6.12",
  IORING_FEAT_RW_ATTR: "6.14",
  IORING_FEAT_NO_IOWAIT: "6.15",

  IORING_ENTER_GETEVENTS: "5.1",
  IORING_ENTER_SQ_WAKEUP: "5.1",
  IORING_ENTER_SQ_WAIT: "5.10",
  IORING_ENTER_EXT_ARG: "5.11",
  IORING_ENTER_REGISTERED_RING: "5.18",
  IORING_ENTER_ABS_TIMER: "6.12",
  IORING_ENTER_EXT_ARG_REG: "6.13",
  IORING_ENTER_NO_IOWAIT: "6.15",

  IOSQE_FIXED_FILE: "5.1",
  IOSQE_IO_DRAIN: "5.2",
  IOSQE_IO_LINK: "5.3",
  IOSQE_IO_HARDLINK: "5.5",
  IOSQE_ASYNC: "5.6",
  IOSQE_BUFFER_SELECT: "5.7",
  IOSQE_CQE_SKIP_SUCCESS: "5.17",

  IORING_REGISTER_BUFFERS: "5.1",
  IORING_UNREGISTER_BUFFERS: "5.1",
  IORING_REGISTER_FILES: "5.1",
  IORING_UNREGISTER_FILES: "5.1",
  IORING_REGISTER_EVENTFD: "5.2",
  IORING_UNREGISTER_EVENTFD: "5.2",
  IORING_REGISTER_FILES_UPDATE: "5.5",
  IORING_REGISTER_EVENTFD_ASYNC: "5.6",
  IORING_REGISTER_PROBE: "5.6",
  IORING_REGISTER_PERSONALITY: "5.6",
  IORING_UNREGISTER_PERSONALITY: "5.6",
  IORING_REGISTER_RESTRICTIONS: "5.10",
  IORING_REGISTER_ENABLE_RINGS: "5.10",
  IORING_REGISTER_FILES2: "5.13",
  IORING_REGISTER_FILES_UPDATE2: "5.13",
  IORING_REGISTER_BUFFERS2: "5.13",
  IORING_REGISTER_BUFFERS_UPDATE: "5.13",
  IORING_REGISTER_IOWQ_AFF: "5.14",
  IORING_UNREGISTER_IOWQ_AFF: "5.14",
  IORING_REGISTER_IOWQ_MAX_WORKERS: "5.15",
  IORING_REGISTER_RING_FDS: "5.18",
  IORING_UNREGISTER_RING_FDS: "5.18",
  IORING_REGISTER_PBUF_RING: "5.19",
  IORING_UNREGISTER_PBUF_RING: "5.19",
  IORING_REGISTER_SYNC_CANCEL: "6.0",
  IORING_REGISTER_FILE_ALLOC_RANGE: "6.0",
  IORING_REGISTER_PBUF_STATUS: "6.8",
  IORING_REGISTER_NAPI: "6.9",
  IORING_UNREGISTER_NAPI: "6.9",
  IORING_REGISTER_CLOCK: "6.12",
  IORING_REGISTER_CLONE_BUFFERS: "6.12",
  IORING_REGISTER_SEND_MSG_RING: "6.13",
  IORING_REGISTER_ZCRX_IFQ: "6.15",
  IORING_REGISTER_RESIZE_RINGS: "6.13",
  IORING_REGISTER_MEM_REGION: "6.13",
  IORING_REGISTER_QUERY: "6.18",
  IORING_REGISTER_ZCRX_CTRL: "6.19",
  IORING_REGISTER_BPF_FILTER: "7.0",

  IORING_RSRC_REGISTER_SPARSE: "5.19",
  IORING_REGISTER_FILES_SKIP: "5.12",
  IORING_REGISTER_DST_REPLACE: "6.13",
  IORING_REGISTER_USE_REGISTERED_RING: "6.3",
  IORING_MEM_REGION_REG_WAIT_ARG: "6.13",
  IOU_PBUF_RING_MMAP: "6.4",
  IOU_PBUF_RING_INC: "6.12",
  IO_URING_NAPI_STATIC_ADD_ID: "6.13",
  IO_URING_NAPI_STATIC_DEL_ID: "6.13",

  IORING_FILE_INDEX_ALLOC: "5.19",
  IORING_FSYNC_DATASYNC: "5.1",
  IORING_TIMEOUT_ABS: "5.4",
  IORING_TIMEOUT_UPDATE: "5.11",
  IORING_TIMEOUT_BOOTTIME: "5.15",
  IORING_TIMEOUT_REALTIME: "5.15",
  IORING_LINK_TIMEOUT_UPDATE: "5.15",
  IORING_TIMEOUT_ETIME_SUCCESS: "5.16",
  IORING_TIMEOUT_MULTISHOT: "6.4",
  IORING_TIMEOUT_IMMEDIATE_ARG: "7.1",
  IORING_POLL_ADD_MULTI: "5.13",
  IORING_POLL_UPDATE_EVENTS: "5.13",
  IORING_POLL_UPDATE_USER_DATA: "5.13",
  IORING_ASYNC_CANCEL_ALL: "5.19",
  IORING_ASYNC_CANCEL_FD: "5.19",
  IORING_ASYNC_CANCEL_ANY: "5.19",
  IORING_ASYNC_CANCEL_FD_FIXED: "6.0",
  IORING_ASYNC_CANCEL_USERDATA: "6.6",
  IORING_ASYNC_CANCEL_OP: "6.6",
  IORING_RECVSEND_POLL_FIRST: "5.19",
  IORING_RECV_MULTISHOT: "6.0",
  IORING_RECVSEND_FIXED_BUF: "6.0",
  IORING_SEND_ZC_REPORT_USAGE: "6.2",
  IORING_RECVSEND_BUNDLE: "6.10",
  IORING_SEND_VECTORIZED: "6.17",
  IORING_ACCEPT_MULTISHOT: "5.19",
  IORING_ACCEPT_DONTWAIT: "6.10",
  IORING_ACCEPT_POLL_FIRST: "6.10",
  IORING_MSG_SEND_FD: "6.0",
  IORING_MSG_RING_CQE_SKIP: "6.0",
  IORING_MSG_RING_FLAGS_PASS: "6.3",
  IORING_FIXED_FD_NO_CLOEXEC: "6.8",
  IORING_NOP_INJECT_RESULT: "6.10",
  IORING_NOP_FILE: "6.13",
  IORING_NOP_FIXED_FILE: "6.13",
  IORING_NOP_FIXED_BUFFER: "6.13",
  IORING_NOP_TW: "6.16",
  IORING_NOP_CQE32: "6.18",
  IORING_URING_CMD_FIXED: "6.1",
  IORING_URING_CMD_MULTISHOT: "6.18",
  SOCKET_URING_OP_SIOCINQ: "6.5",
  SOCKET_URING_OP_SIOCOUTQ: "6.5",
  SOCKET_URING_OP_GETSOCKOPT: "6.7",
  SOCKET_URING_OP_SETSOCKOPT: "6.7",
  SOCKET_URING_OP_TX_TIMESTAMP: "6.17",
  SOCKET_URING_OP_GETSOCKNAME: "6.19",
  SPLICE_F_FD_IN_FIXED: "5.7",
  IORING_RW_ATTR_FLAG_PI: "6.14",
} as const satisfies Partial<Record<keyof typeof abi, string>>;

/** A flag or register operation, by the kernel's name for it. */
export type FeatureName = keyof typeof FEATURES;

const BITS: Readonly<Record<FeatureName, number>> = abi;

/** The value of a flag, by the kernel's name for it. */
export const flagOf = (name: FeatureName): number => BITS[name];

/** What the running kernel's masks say about a name; undefined where it has none, or is too old to be asked (before 6.18). */
function byMask(name: FeatureName, kernel: KernelSupport | undefined, features: number | undefined): boolean | undefined {
  const bit = BITS[name];
  const has = (mask: number | undefined): boolean | undefined => (mask === undefined ? undefined : (mask & bit) !== 0);
  if (name.startsWith("IORING_FEAT_")) return has(features ?? kernel?.features);
  if (name.startsWith("IORING_SETUP_")) return has(kernel?.setupFlags);
  if (name.startsWith("IORING_ENTER_")) return has(kernel?.enterFlags);
  if (name.startsWith("IOSQE_")) return has(kernel?.sqeFlags);
  const call = /^IORING_(UN)?REGISTER_/.test(name) && bit >= 0 && !/_(FILES_SKIP|DST_REPLACE|USE_REGISTERED_RING)$/.test(name);
  return call && kernel !== undefined ? bit < kernel.registerOpcodes : undefined;
}

/** Flags whose behaviour is tried once, on a ring of their own: a wrong guess would break what the library uses them for. */
const TRIALS: Partial<Record<FeatureName, (syscalls: RingSyscalls) => boolean>> = {
  IORING_TIMEOUT_IMMEDIATE_ARG(syscalls) {
    using ring = new RingCore({ entries: 2 }, { registerRingFd: false, syscalls });
    let answer = 0;
    const slot = ring.allocate((result) => {
      answer = result;
    });
    ring.prep(abi.IORING_OP_TIMEOUT, slot, -1, 0, 1, 1, abi.IORING_TIMEOUT_IMMEDIATE_ARG, 0, 0, 0);
    while (answer === 0) {
      ring.enter(1);
      ring.reap();
    }
    return answer === ETIME;
  },
};

let kernel: KernelSupport | undefined | null = null;
const answers = new Map<FeatureName, boolean>();

/** Whether the running kernel has a flag or register operation. `features` is the mask that a ring's setup answered. */
export function kernelSupports(name: FeatureName, features?: number, syscalls: RingSyscalls = ringSyscalls()): boolean {
  const known = answers.get(name);
  if (known !== undefined) return known;
  const since = FEATURES[name];
  if (since === undefined) throw unknown(name);
  if (kernel === null) kernel = queryKernel(syscalls);
  let answer = byMask(name, kernel, features);
  if (answer === undefined) {
    const trial = TRIALS[name];
    answer = kernelIsAtLeast(since) && (trial === undefined || trial(syscalls));
  }
  answers.set(name, answer);
  return answer;
}

/** What is said of a flag that the running kernel does not have; the error names the one that brought it. */
export function missingFeature(name: FeatureName, operation: string): UringError {
  return new UringError({ operation, errno: EOPNOTSUPP, hint: `this kernel does not have ${name}; it came with Linux ${FEATURES[name]}` });
}

/** An operation that the running kernel does not have. */
export const missingOperation = (operation: string, since: string): UringError =>
  new UringError({ operation, errno: EOPNOTSUPP, hint: `this kernel does not have it; it came with Linux ${since}` });

function unknown(name: string): TypeError {
  const meant = nearest(name, Object.keys(FEATURES));
  return new TypeError(
    `supports: there is no '${name}'${meant === undefined ? "; give an operation, or the kernel's name of a flag" : `; did you mean '${meant}'?`}`,
  );
}
