import type { Opened } from "../../ublk/index.ts";
import { type LockedFile, refuse } from "../files/locked-file.ts";
import { closeFiles, type FilesShared, measureFiles } from "../files/measure.ts";
import { discardAll, openFiles } from "../files/open-files.ts";
import { Health } from "./health.ts";
import { type CheckedMirror, checkMirror, type MirrorOptions } from "./options.ts";

const EINVAL = -22;

/** What the serving threads share. */
export interface MirrorShared extends FilesShared {
  readonly paths: readonly string[];
  /** Which legs have failed: the words of a {@link Health}. */
  readonly health: SharedArrayBuffer;
  /** The thread that called `serve` tells of those that fail. */
  readonly watched: boolean;
}

/** Opens, locks and measures the legs of a mirror. Whatever fails leaves nothing behind. */
export async function openMirror(options: MirrorOptions): Promise<Opened<MirrorShared>> {
  const checked = checkMirror(options);
  const files = await openFiles(checked.paths, checked.manner);
  try {
    return describe(files, checked);
  } catch (error) {
    discardAll(files);
    throw error;
  }
}

function describe(files: readonly LockedFile[], { paths, manner, degraded }: CheckedMirror): Opened<MirrorShared> {
  const { bytes, geometry, shared } = measureFiles(files, manner, false);
  const least = Math.min(...bytes);
  const size = least - (least % shared.blockSize);
  const smallest = bytes.indexOf(least);
  if (size === 0)
    throw refuse(
      { ...manner, option: `paths[${smallest}]`, path: paths[smallest]! },
      EINVAL,
      `it has ${least} bytes, less than one block of ${shared.blockSize}; give larger files, or create: "1 GiB" with names of new ones`,
    );
  const health = Health.allocate(files.length);
  if (degraded !== undefined) void new Health(health, paths).watch(degraded);
  return { ...geometry, size, members: files.length, shared: { ...shared, paths, health, watched: degraded !== undefined } };
}

/** Gives the legs back. */
export function closeMirror(shared: MirrorShared): void {
  new Health(shared.health, shared.paths).close();
  closeFiles(shared);
}
