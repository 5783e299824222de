import type { Opened } from "../../ublk/index.ts";
import type { LockedFile } from "../files/locked-file.ts";
import { type FilesShared, leastWhole, measureFiles } from "../files/measure.ts";
import { openFiles } from "../files/open-files.ts";
import type { FileWish } from "../files/options.ts";
import { resizeFiles } from "../files/resize.ts";
import { checkLoop, type LoopOptions } from "./options.ts";

/** What a loop disk stands on. */
export interface LoopBacking {
  /** The path that was opened. */
  readonly path: string;
  /** What it leads to. */
  readonly kind: "file" | "block device";
  /** Bytes of the disk: those of the file, in whole blocks. */
  readonly size: number;
  /** Bytes in a logical block of the disk. */
  readonly blockSize: number;
  /** Whether it was opened for reading only. */
  readonly readOnly: boolean;
  /** Whether the page cache is bypassed (`O_DIRECT`). */
  readonly direct: boolean;
  /** Why the page cache is not bypassed; undefined when it is. */
  readonly buffered: string | undefined;
}

/** Opens, locks and measures what the disk stands on. */
export async function openBacking(options: LoopOptions): Promise<Opened<FilesShared>> {
  const wish = checkLoop(options);
  return await openFiles([wish], ([file]) => describe(file!, wish, options.opened));
}

function describe(file: LockedFile, wish: FileWish, opened: LoopOptions["opened"]): Opened<FilesShared> {
  const { path, device, readOnly } = file;
  const { bytes, choices, geometry, shared } = measureFiles([file], wish, false);
  const { blockSize, direct, buffered } = choices[0]!;
  const size = leastWhole([wish], bytes, {
    bytes: blockSize,
    name: "block",
    remedy: 'give a larger file, or create: "1 GiB" with the name of a new one',
  });
  opened?.({ path, kind: device ? "block device" : "file", size, blockSize, readOnly, direct, buffered });
  return { ...geometry, size, members: 1, resize: (to, from) => resizeFiles(wish.target, shared.files, to, from), shared };
}
