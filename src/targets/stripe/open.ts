import type { Opened } from "../../ublk/index.ts";
import type { LockedFile } from "../files/locked-file.ts";
import { type FilesShared, leastWhole, measureFiles } from "../files/measure.ts";
import { openFiles, wishesFor } from "../files/open-files.ts";
import { type CheckedStripe, checkStripe, type StripeOptions } from "./options.ts";
import { resizeStripe } from "./resize.ts";

/** The largest `ioOpt` of a disk. */
const MOST_IO = 2 ** 28;

/** What the serving threads share. */
export interface StripeShared extends FilesShared {
  readonly chunk: number;
}

/** Opens, locks and measures the files of a stripe. */
export async function openStripe(options: StripeOptions): Promise<Opened<StripeShared>> {
  const checked = checkStripe(options);
  return await openFiles(wishesFor(checked.paths, checked.manner), (files) => describe(files, checked));
}

function describe(files: readonly LockedFile[], { paths, chunk, manner }: CheckedStripe): Opened<StripeShared> {
  const { bytes, geometry, shared } = measureFiles(files, manner, true);
  const each = leastWhole(wishesFor(paths, manner), bytes, {
    bytes: chunk,
    name: "chunk",
    remedy: 'give larger files or a smaller chunk, or create: "1 GiB" with names of new ones',
  });
  const row = files.length * chunk;
  return {
    ...geometry,
    size: files.length * each,
    members: files.length,
    // File systems lay out their structures by these.
    ioMin: chunk,
    ioOpt: Number.isInteger(Math.log2(row)) && row <= MOST_IO ? row : chunk,
    resize: (to, from) => resizeStripe(shared.files, chunk, to, from),
    shared: { ...shared, chunk },
  };
}
