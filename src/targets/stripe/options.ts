import { parseSize, type Size } from "../../ublk/index.ts";
import { checkKnown } from "../../uring/options.ts";
import { checkFileOptions, checkPaths, FILE_OPTIONS, type FileOptions, type Manner } from "../files/options.ts";

const LEAST_CHUNK = 4096;
const MOST_CHUNK = 2 ** 28;

/** Options of the striped disk. `create` is the size of each file: all are made, or all are there. */
export interface StripeOptions extends FileOptions {
  /** 1 to 4 regular files or block devices. Their order is part of the disk: give them in the same one each time. */
  paths: readonly string[];
  /**
   * Bytes that lie together in a file before the next file has its turn: a power of two from 4 KiB to 256 MiB, part of the disk as the order
   * is. Default 64 KiB.
   */
  chunk?: Size;
}

/** The options, sizes in bytes. */
export interface CheckedStripe {
  readonly paths: readonly string[];
  readonly chunk: number;
  readonly manner: Manner;
}

/** Checks the options before anything is opened. */
export function checkStripe(options: StripeOptions): CheckedStripe {
  const target = "stripe";
  if (typeof options !== "object" || options === null)
    throw new TypeError('stripe: paths is missing; give options such as { paths: ["/a.img", "/b.img"] }');
  checkKnown(target, options, ["paths", "chunk", ...FILE_OPTIONS]);
  const paths = checkPaths(target, options.paths, 1, 4);
  const chunk = options.chunk === undefined ? 2 ** 16 : parseSize(options.chunk, "stripe: chunk");
  if (chunk < LEAST_CHUNK || chunk > MOST_CHUNK || !Number.isInteger(Math.log2(chunk)))
    throw new RangeError(`stripe: chunk is ${chunk} bytes; it must be a power of two from ${LEAST_CHUNK} to ${MOST_CHUNK} (256 MiB)`);
  const manner = checkFileOptions(target, options);
  if (manner.create !== undefined && manner.create < chunk)
    throw new RangeError(`stripe: create is ${manner.create} bytes, less than one chunk of ${chunk}; give at least that for each file`);
  return { paths, chunk, manner };
}
