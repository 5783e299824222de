import { addressOf, type RingSyscalls, ringSyscalls, type Struct } from "../ffi/index.ts";
import {
  IO_URING_QUERY_OPCODES,
  IO_URING_QUERY_SCQ,
  IO_URING_QUERY_ZCRX,
  IO_URING_QUERY_ZCRX_EVENT,
  IORING_REGISTER_QUERY,
} from "./abi.ts";
import {
  io_uring_query_hdr,
  io_uring_query_opcode,
  io_uring_query_scq,
  io_uring_query_zcrx,
  io_uring_query_zcrx_event,
} from "./structs.ts";

/** What the running kernel's io_uring can do. */
export interface KernelSupport {
  /** Opcodes: 0 to this minus one. */
  readonly opcodes: number;
  /** Register operations: 0 to this minus one. */
  readonly registerOpcodes: number;
  /** Mask of `IORING_FEAT_*`. */
  readonly features: number;
  /** Mask of `IORING_SETUP_*`. */
  readonly setupFlags: number;
  /** Mask of `IORING_ENTER_*`. */
  readonly enterFlags: number;
  /** Mask of `IOSQE_*`. */
  readonly sqeFlags: number;
}

/** One query (`IORING_REGISTER_QUERY`, 6.18) of any size; undefined where the kernel does not know it. */
function query<F extends string>(struct: Struct<F>, op: number, syscalls: RingSyscalls): ((name: F) => number) | undefined {
  const data = struct.allocate();
  const header = io_uring_query_hdr.build({ query_data: addressOf(data), query_op: op, size: struct.size });
  if (syscalls.register(-1, IORING_REGISTER_QUERY, addressOf(header), 0) < 0) return undefined;
  return io_uring_query_hdr.getSigned(header, "result") < 0 ? undefined : (name) => struct.get(data, name);
}

/** Asks the kernel without a ring (`IORING_REGISTER_QUERY`, 6.18). Undefined on older kernels. */
export function queryKernel(syscalls: RingSyscalls = ringSyscalls()): KernelSupport | undefined {
  const get = query(io_uring_query_opcode, IO_URING_QUERY_OPCODES, syscalls);
  if (get === undefined) return undefined;
  return {
    opcodes: get("nr_request_opcodes"),
    registerOpcodes: get("nr_register_opcodes"),
    features: get("feature_flags"),
    setupFlags: get("ring_setup_flags"),
    enterFlags: get("enter_flags"),
    sqeFlags: get("sqe_flags"),
  };
}

/** What the running kernel's zero-copy receive can do. */
export interface ZeroCopyReceiveSupport {
  /** Mask of `ZCRX_REG_*`. */
  readonly registerFlags: number;
  /** Mask of `IORING_ZCRX_AREA_*`. */
  readonly areaFlags: number;
  /** `ZCRX_CTRL_*`: 0 to this minus one. */
  readonly controls: number;
  /** Mask of `ZCRX_FEATURE_*`. */
  readonly features: number;
  /** Bytes before the entries of a refill ring. */
  readonly refillHeader: number;
  /** What their start is a multiple of. */
  readonly refillAlignment: number;
  /** What events it can tell and with which statistics; undefined before 7.2. */
  readonly events: { readonly flags: number; readonly statsSize: number; readonly statsAlignment: number } | undefined;
}

/** Asks the kernel about `IORING_OP_RECV_ZC` (6.19). Undefined on older kernels, and on those built without it. */
export function queryZeroCopyReceive(syscalls: RingSyscalls = ringSyscalls()): ZeroCopyReceiveSupport | undefined {
  const get = query(io_uring_query_zcrx, IO_URING_QUERY_ZCRX, syscalls);
  if (get === undefined) return undefined;
  const event = query(io_uring_query_zcrx_event, IO_URING_QUERY_ZCRX_EVENT, syscalls);
  return {
    registerFlags: get("register_flags"),
    areaFlags: get("area_flags"),
    controls: get("nr_ctrl_opcodes"),
    features: get("features"),
    refillHeader: get("rq_hdr_size"),
    refillAlignment: get("rq_hdr_alignment"),
    events:
      event === undefined
        ? undefined
        : { flags: event("event_flags"), statsSize: event("stats_size"), statsAlignment: event("stats_off_alignment") },
  };
}

/** Asks the kernel how a ring in memory of the caller begins (6.19): its header's size, and what its address is a multiple of. */
export function queryRingHeader(syscalls: RingSyscalls = ringSyscalls()): { size: number; alignment: number } | undefined {
  const get = query(io_uring_query_scq, IO_URING_QUERY_SCQ, syscalls);
  return get === undefined ? undefined : { size: get("hdr_size"), alignment: get("hdr_alignment") };
}
