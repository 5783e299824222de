import type { Resized } from "../../ublk/index.ts";
import type { ServedFile } from "../files/measure.ts";
import { resizeFiles } from "../files/resize.ts";

/** A striped disk has whole rows: a chunk of every file. */
export function resizeStripe(files: readonly ServedFile[], chunk: number, size: number, from: number): Resized {
  const row = files.length * chunk;
  if (size % row !== 0)
    throw new RangeError(
      `stripe: size is ${size} bytes; it must be a multiple of ${row}, a chunk of ${chunk} bytes in each of ${files.length} files`,
    );
  return resizeFiles("stripe", files, size / files.length, from / files.length);
}
