import type { Resized } from "../../ublk/index.ts";
import { resizeFiles } from "../files/resize.ts";
import type { StripeShared } from "./open.ts";

/** A striped disk has whole rows: a chunk of every file. */
export function resizeStripe(size: number, from: number, { files, chunk }: StripeShared): Resized {
  const row = files.length * chunk;
  if (size % row !== 0)
    throw new RangeError(
      `stripe: size is ${size} bytes; it must be a multiple of ${row}, a chunk of ${chunk} bytes in each of ${files.length} files`,
    );
  return resizeFiles("stripe", files, size / files.length, from / files.length);
}
