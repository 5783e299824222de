/**
 * What the driver wants to hear as the result of a request.
 *
 * @module
 */
import { blockErrnoOf } from "../ffi/index.ts";
import { UBLK_IO_OP_FLUSH, UBLK_IO_OP_WRITE, UBLK_IO_OP_ZONE_APPEND } from "./abi.ts";

const EIO = -5;
const EOPNOTSUPP = -95;
const MAX_ERRNO = 4095;

/** How much of a request a target has done: of a READ or WRITE in whole blocks, of others all, but of a ZONE_APPEND all or nothing. */
export function partOf(op: number, bytes: number, length: number, blockSize: number): number {
  if (op > UBLK_IO_OP_WRITE && op !== UBLK_IO_OP_ZONE_APPEND) return length;
  if (bytes > length || bytes < 0 || !Number.isInteger(bytes))
    throw new RangeError(`complete(${bytes}): the request has ${length} bytes; use fail(errno) for errors`);
  return op === UBLK_IO_OP_ZONE_APPEND ? 0 : bytes - (bytes % blockSize);
}

const isErrno = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value < 0 && value >= -MAX_ERRNO;

/** The errno of a request whose target threw, whatever that was. */
export const errnoOfThrown = (error: unknown): number => (isErrno(error) ? error : blockErrnoOf(error));

/** The errno that `fail(reason)` asks for: a number that is none is the caller's mistake, see {@link failureOf}. */
export const errnoOfReason = (reason: unknown): number => (typeof reason === "number" ? reason : blockErrnoOf(reason));

/** The result of a request that fails. */
export function failureOf(op: number, errno: number): number {
  if (!isErrno(errno)) throw new RangeError(`fail(${errno}): it takes a negative errno such as -5 (EIO)`);
  // The kernel reports a FLUSH that is "not supported" as a success: durability would be lost without a word.
  return op === UBLK_IO_OP_FLUSH && errno === EOPNOTSUPP ? EIO : errno;
}
