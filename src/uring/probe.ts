import { addressOf, type RingSyscalls, ringSyscalls } from "../ffi/index.ts";
import { IO_URING_QUERY_OPCODES, IORING_REGISTER_QUERY } from "./abi.ts";
import { io_uring_query_hdr, io_uring_query_opcode } from "./structs.ts";

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

/** Asks the kernel without a ring (`IORING_REGISTER_QUERY`, 6.18). Undefined on older kernels. */
export function queryKernel(syscalls: RingSyscalls = ringSyscalls()): KernelSupport | undefined {
  const data = io_uring_query_opcode.allocate();
  const header = io_uring_query_hdr.build({
    query_data: addressOf(data),
    query_op: IO_URING_QUERY_OPCODES,
    size: io_uring_query_opcode.size,
  });
  if (syscalls.register(-1, IORING_REGISTER_QUERY, addressOf(header), 0) < 0) return undefined;
  if (io_uring_query_hdr.getSigned(header, "result") < 0) return undefined;
  const get = (name: Parameters<typeof io_uring_query_opcode.get>[1]): number => io_uring_query_opcode.get(data, name);
  return {
    opcodes: get("nr_request_opcodes"),
    registerOpcodes: get("nr_register_opcodes"),
    features: get("feature_flags"),
    setupFlags: get("ring_setup_flags"),
    enterFlags: get("enter_flags"),
    sqeFlags: get("sqe_flags"),
  };
}
