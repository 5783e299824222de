import { PAGE_SIZE } from "../ffi/index.ts";
import { checkBoolean, checkInteger, checkKnown } from "../uring/options.ts";
import { UBLK_SHMEM_BUF_READ_ONLY, UBLK_SHMEM_ZC_IDX_MASK } from "./abi.ts";
import { ublk_shmem_buf_reg } from "./structs.ts";

/** The most that one registration holds: an offset in it has 32 bits. */
export const REG_BUF_MAX = 4 * 2 ** 30;

/** Memory for {@link UblkControl.regBuf}: `struct ublk_shmem_buf_reg`. */
export interface RegBuf {
  /** Where it starts in this process; a multiple of the page size. */
  readonly addr: number;
  /** Bytes: a multiple of the page size, at most 4 GiB. */
  readonly len: number;
  /** It is recognised in WRITE requests only, and may be mapped for reading only (`UBLK_SHMEM_BUF_READ_ONLY`). Default false. */
  readonly readOnly?: boolean;
}

/** Throws a RangeError for what no registration can hold. */
export function checkPages(what: string, option: string, bytes: number): number {
  checkInteger(what, option, bytes, PAGE_SIZE, REG_BUF_MAX, "4 GiB");
  if (bytes % PAGE_SIZE === 0) return bytes;
  throw new RangeError(`${what}: ${option} is ${bytes}; it must be a multiple of the page size, ${PAGE_SIZE}`);
}

/** Checks memory to be registered, and encodes it. */
export function encodeRegBuf(memory: RegBuf): DataView<ArrayBuffer> {
  const what = "regBuf";
  checkKnown(what, memory, ["addr", "len", "readOnly"]);
  const { addr, len, readOnly } = memory;
  checkInteger(what, "addr", addr, PAGE_SIZE, Number.MAX_SAFE_INTEGER, "an address");
  if (addr % PAGE_SIZE !== 0)
    throw new RangeError(`${what}: addr is 0x${addr.toString(16)}; it must be a multiple of the page size, ${PAGE_SIZE}`);
  checkPages(what, "len", len);
  const flags = readOnly !== undefined && checkBoolean(what, "readOnly", readOnly) ? UBLK_SHMEM_BUF_READ_ONLY : 0;
  return ublk_shmem_buf_reg.build({ addr, len, flags });
}

/** Checks the index of a registration. */
export function checkIndex(index: number): number {
  return checkInteger("unregBuf", "index", index, 0, UBLK_SHMEM_ZC_IDX_MASK);
}
