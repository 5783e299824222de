/**
 * What the driver wants to hear as the result of a request.
 *
 * @module
 */
import { Op } from "./request.ts";

const EIO = -5;
const EOPNOTSUPP = -95;

/** How much of a READ or WRITE a target has done, in whole blocks. */
export function partOf(bytes: number, length: number, blockSize: number): number {
  if (bytes > length || bytes < 0 || !Number.isInteger(bytes))
    throw new RangeError(`complete(${bytes}): the request has ${length} bytes; use fail(errno) for errors`);
  return bytes - (bytes % blockSize);
}

/** The result of a request that fails. */
export function failureOf(op: number, errno: number): number {
  if (!Number.isInteger(errno) || errno >= 0 || errno < -4095)
    throw new RangeError(`fail(${errno}): it takes a negative errno such as -5 (EIO)`);
  // The kernel reports a FLUSH that is "not supported" as a success: durability would be lost without a word.
  return op === Op.FLUSH && errno === EOPNOTSUPP ? EIO : errno;
}
