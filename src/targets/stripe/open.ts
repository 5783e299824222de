import type { Opened } from "../../ublk/index.ts";
import { type LockedFile, refuse } from "../files/locked-file.ts";
import { type FilesShared, measureFiles } from "../files/measure.ts";
import { discardAll, openFiles } from "../files/open-files.ts";
import { type CheckedStripe, checkStripe, type StripeOptions } from "./options.ts";

const EINVAL = -22;
/** The largest `ioOpt` of a disk. */
const MOST_IO = 2 ** 28;

/** What the serving threads share. */
export interface StripeShared extends FilesShared {
  readonly chunk: number;
}

/** Opens, locks and measures the files of a stripe. Whatever fails leaves nothing behind. */
export async function openStripe(options: StripeOptions): Promise<Opened<StripeShared>> {
  const checked = checkStripe(options);
  const files = await openFiles(checked.paths, checked.manner);
  try {
    return describe(files, checked);
  } catch (error) {
    discardAll(files);
    throw error;
  }
}

function describe(files: readonly LockedFile[], { paths, chunk, manner }: CheckedStripe): Opened<StripeShared> {
  const { bytes, geometry, shared } = measureFiles(files, manner, true);
  const least = Math.min(...bytes);
  const each = least - (least % chunk);
  const smallest = bytes.indexOf(least);
  if (each === 0)
    throw refuse(
      { ...manner, option: `paths[${smallest}]`, path: paths[smallest]! },
      EINVAL,
      `it has ${least} bytes, less than one chunk of ${chunk}; give larger files or a smaller chunk, or create: "1 GiB" with names of new ones`,
    );
  const row = files.length * chunk;
  return {
    ...geometry,
    size: files.length * each,
    members: files.length,
    // File systems lay out their structures by these.
    ioMin: chunk,
    ioOpt: Number.isInteger(Math.log2(row)) && row <= MOST_IO ? row : chunk,
    shared: { ...shared, chunk },
  };
}
