import { block, sys } from "../../ffi/index.ts";
import type { Opened } from "../../ublk/index.ts";
import { canDiscard } from "./block-device.ts";
import { chooseDirect, type DirectChoice } from "./direct.ts";
import { discard, type LockedFile, openLocked, refuse } from "./locked-file.ts";
import { type Checked, checkLoop, type LoopOptions } from "./options.ts";

const EINVAL = -22;

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

/** What the serving threads share. */
export interface LoopShared {
  readonly fd: number;
  readonly direct: boolean;
  readonly blockSize: number;
  readonly device: boolean;
  readonly discard: boolean;
}

/** Opens, locks and measures what the disk stands on. Whatever fails leaves nothing behind. */
export async function openBacking(options: LoopOptions): Promise<Opened<LoopShared>> {
  const checked = checkLoop(options);
  const file = await openLocked(checked);
  try {
    return describe(file, checked, options.opened);
  } catch (error) {
    discard(file);
    throw error;
  }
}

function describe(file: LockedFile, wish: Checked, opened: LoopOptions["opened"]): Opened<LoopShared> {
  const { path, fd, device, readOnly } = file;
  const choice = chooseDirect(fd, {
    direct: wish.direct,
    blockSize: wish.blockSize ?? (device ? block.logicalBlockSize(fd) : undefined),
    path,
  });
  const { blockSize, direct, buffered } = choice;
  const bytes = device ? block.size(fd) : file.stats.size;
  const size = bytes - (bytes % blockSize);
  if (size === 0)
    throw refuse(
      path,
      EINVAL,
      `it has ${bytes} bytes, less than one block of ${blockSize}; give a larger file, or create: "1 GiB" with the name of a new one`,
    );
  opened?.({ path, kind: device ? "block device" : "file", size, blockSize, readOnly, direct, buffered });
  return geometry(file, size, choice);
}

function geometry({ fd, readOnly, device, stats }: LockedFile, size: number, choice: DirectChoice): Opened<LoopShared> {
  const { blockSize, direct, memoryAlignment } = choice;
  const physicalBlockSize = device ? block.physicalBlockSize(fd) : 4096;
  return {
    size,
    blockSize,
    physicalBlockSize: Math.max(physicalBlockSize, blockSize),
    readOnly,
    fua: !readOnly,
    zeroCopy: true,
    synchronous: true,
    members: 1,
    // Pieces smaller than the file system's block free nothing.
    discardGranularity: device ? blockSize : 4096,
    ...(direct && memoryAlignment > 1 ? { dmaAlignment: memoryAlignment } : {}),
    shared: {
      fd,
      direct,
      blockSize,
      device,
      discard: !readOnly && canDiscard(fd, device ? stats : undefined, size),
    },
  };
}

/** Gives the file back; the lock goes with it. */
export function closeBacking({ fd }: LoopShared): void {
  sys.close(fd);
}
