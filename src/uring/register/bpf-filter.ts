/**
 * Filters of submissions: `linux/io_uring/bpf_filter.h` and the classic BPF of `linux/filter.h`, kernel 7.2.
 *
 * @module
 */
import { addressOf, Struct } from "../../ffi/index.ts";
import { checkBoolean, checkInteger, checkKnown } from "../options.ts";

const IO_URING_BPF_CMD_FILTER = 1;
const IO_URING_BPF_FILTER_DENY_REST = 1;
const IO_URING_BPF_FILTER_SZ_STRICT = 2;
const PROGRAM_MAX = 4096;

/** `struct io_uring_bpf`, with the filter that it contains. */
export const io_uring_bpf = new Struct("io_uring_bpf", 72, {
  cmd_type: [0, 2],
  cmd_flags: [2, 2],
  opcode: [8, 4],
  flags: [12, 4],
  filter_len: [16, 4],
  pdu_size: [20, 1],
  filter_ptr: [24, 8],
});

/** One instruction of classic BPF (`struct sock_filter`). */
export interface BpfInstruction {
  /** `BPF_*`: class, size, mode or operation. */
  readonly code: number;
  /** Instructions to skip when a jump's condition holds. */
  readonly jt?: number;
  /** Instructions to skip when it does not. */
  readonly jf?: number;
  /** The operand. */
  readonly k?: number;
}

/** The instructions that a filter is mostly made of. */
export const bpf: {
  /** Loads 32 bits of what the filter sees, at a multiple of 4 (see {@link BPF_CONTEXT}). */
  load(offset: number): BpfInstruction;
  /** Keeps the bits of a mask. */
  and(mask: number): BpfInstruction;
  /** Compares with a constant; skips `jt` instructions when equal and `jf` when not. */
  jumpIfEqual(value: number, jt: number, jf: number): BpfInstruction;
  /** As {@link bpf.jumpIfEqual}, for any common bit. */
  jumpIfAny(mask: number, jt: number, jf: number): BpfInstruction;
  /** Ends: the operation may run. */
  allow(): BpfInstruction;
  /** Ends: the operation is refused with EACCES. */
  deny(): BpfInstruction;
} = {
  load: (offset) => ({ code: 0x20, k: offset }),
  and: (mask) => ({ code: 0x54, k: mask }),
  jumpIfEqual: (value, jt, jf) => ({ code: 0x15, jt, jf, k: value }),
  jumpIfAny: (mask, jt, jf) => ({ code: 0x45, jt, jf, k: mask }),
  allow: () => ({ code: 0x06, k: 1 }),
  deny: () => ({ code: 0x06, k: 0 }),
};

/** Where a filter finds what it decides on (`struct io_uring_bpf_ctx`), in bytes. */
export const BPF_CONTEXT = {
  /** user_data, 64 bits. */
  userData: 0,
  /** A word: opcode in bits 0 to 7, `IOSQE_*` in 8 to 15, bytes of what follows in 16 to 23. */
  operation: 8,
  /** `IORING_OP_SOCKET`: the address family. */
  socketFamily: 16,
  /** `IORING_OP_SOCKET`: the type. */
  socketType: 20,
  /** `IORING_OP_SOCKET`: the protocol. */
  socketProtocol: 24,
  /** `IORING_OP_OPENAT`, `IORING_OP_OPENAT2`: the `O_*` flags, 64 bits. */
  openFlags: 16,
  /** The same: the mode, 64 bits. */
  openMode: 24,
  /** The same: the `RESOLVE_*` flags, 64 bits. */
  openResolve: 32,
} as const;

/** A filter that decides for one operation whether it may be submitted. Filters of one operation add up: all must allow it. */
export interface BpfFilter {
  /** The operation, by description or `IORING_OP_*`. */
  operation: number | { readonly opcode: number };
  /** Classic BPF; a result of 0 denies. Absolute loads of 32 bits, arithmetic and forward jumps are allowed. */
  program: readonly BpfInstruction[];
  /** Operations that have no filter by then are denied from now on (`IO_URING_BPF_FILTER_DENY_REST`). */
  denyRest?: boolean;
  /** Bytes behind the operation word that the program knows of: 12 for a socket, 24 for an open. Default 0. */
  pduSize?: number;
  /** A kernel that offers another number of those bytes refuses the filter (`IO_URING_BPF_FILTER_SZ_STRICT`). */
  strict?: boolean;
}

/** The argument of `IORING_REGISTER_BPF_FILTER`, and the program that it points to. */
export function filterArgument(what: string, filter: BpfFilter): { argument: DataView<ArrayBuffer>; program: DataView<ArrayBuffer> } {
  checkKnown(what, filter, ["operation", "program", "denyRest", "pduSize", "strict"]);
  const { operation, program, denyRest = false, pduSize = 0, strict = false } = filter;
  checkBoolean(what, "denyRest", denyRest);
  checkBoolean(what, "strict", strict);
  checkInteger(what, "program", program.length, 1, PROGRAM_MAX, "that many instructions");
  const code = new DataView(new ArrayBuffer(program.length * 8));
  program.forEach(({ code: instruction, jt = 0, jf = 0, k = 0 }, i) => {
    code.setUint16(i * 8, instruction, true);
    code.setUint8(i * 8 + 2, checkInteger(what, "jt", jt, 0, 255));
    code.setUint8(i * 8 + 3, checkInteger(what, "jf", jf, 0, 255));
    code.setUint32(i * 8 + 4, k, true);
  });
  const argument = io_uring_bpf.build({
    cmd_type: IO_URING_BPF_CMD_FILTER,
    opcode: checkInteger(what, "operation", typeof operation === "number" ? operation : operation.opcode, 0, 255),
    flags: (denyRest ? IO_URING_BPF_FILTER_DENY_REST : 0) | (strict ? IO_URING_BPF_FILTER_SZ_STRICT : 0),
    filter_len: program.length,
    pdu_size: checkInteger(what, "pduSize", pduSize, 0, 255),
    filter_ptr: addressOf(code),
  });
  return { argument, program: code };
}

/** What a refusal mostly means. */
export const FILTER_HINT =
  "EINVAL: the kernel has no filters (they came with Linux 7.0), or an instruction is not allowed; EACCES: set no_new_privs or be root; EMSGSIZE: pduSize is not the kernel's";
