import type { Geometry, Opened } from "../../ublk/index.ts";
import type { LockedFile } from "../files/locked-file.ts";
import { closeFiles, type FilesShared, leastWhole, measureFiles } from "../files/measure.ts";
import { openFiles, wishesFor } from "../files/open-files.ts";
import { resizeFiles } from "../files/resize.ts";
import { Health } from "./health.ts";
import { type CheckedMirror, checkMirror, type MirrorOptions } from "./options.ts";

/** What the serving threads share. */
export interface MirrorShared extends FilesShared {
  readonly paths: readonly string[];
  /** Which legs have failed: the words of a {@link Health}. */
  readonly health: SharedArrayBuffer;
  /** The thread that called `serve` tells of those that fail. */
  readonly watched: boolean;
}

/** Opens, locks and measures the legs of a mirror. */
export async function openMirror(options: MirrorOptions): Promise<Opened<MirrorShared>> {
  const checked = checkMirror(options);
  return await openFiles(wishesFor(checked.paths, checked.manner), (files) => describe(files, checked));
}

function describe(files: readonly LockedFile[], { paths, manner, degraded }: CheckedMirror): Opened<MirrorShared> {
  const { bytes, geometry, shared } = measureFiles(files, manner, false);
  const size = leastWhole(wishesFor(paths, manner), bytes, {
    bytes: shared.blockSize,
    name: "block",
    remedy: 'give larger files, or create: "1 GiB" with names of new ones',
  });
  const health = Health.allocate(files.length);
  if (degraded !== undefined) void new Health(health, paths).watch(degraded);
  const resize: Geometry["resize"] = (to, from) => resizeFiles(manner.target, shared.files, to, from);
  return { ...geometry, size, members: files.length, resize, shared: { ...shared, paths, health, watched: degraded !== undefined } };
}

/** Gives the legs back. */
export function closeMirror(shared: MirrorShared): void {
  new Health(shared.health, shared.paths).close();
  closeFiles(shared);
}
