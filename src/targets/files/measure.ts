import { block, sys } from "../../ffi/index.ts";
import type { Geometry } from "../../ublk/index.ts";
import { canDiscard } from "./block-device.ts";
import { chooseDirect, type DirectChoice } from "./direct.ts";
import { type LockedFile, refuse } from "./locked-file.ts";
import type { FileWish, Manner } from "./options.ts";

const PAGE = 4096;
const EINVAL = -22;

/** A file as the serving threads know it. */
export interface ServedFile {
  readonly path: string;
  readonly fd: number;
  /** It is read and written past the page cache. */
  readonly direct: boolean;
  /** It is a block device. */
  readonly device: boolean;
}

/** What the serving threads of a disk on files share. */
export interface FilesShared {
  readonly files: readonly ServedFile[];
  readonly blockSize: number;
  /** Ranges can be given back. */
  readonly discard: boolean;
}

/** Files that make one disk, measured. */
export interface Measured {
  /** Bytes of each file. */
  readonly bytes: readonly number[];
  /** How each is read and written. */
  readonly choices: readonly DirectChoice[];
  /** What the disk is, but for its size. */
  readonly geometry: Omit<Geometry, "size" | "members">;
  readonly shared: FilesShared;
}

/** Chooses how files are read and written, and says what disk they make. `scattered`: in parts that begin at any block. */
export function measureFiles(files: readonly LockedFile[], manner: Manner, scattered: boolean): Measured {
  const least = manner.blockSize ?? leastBlock(files);
  const choices = files.map(({ fd, path }) =>
    chooseDirect(fd, { target: manner.target, path, direct: manner.direct, blockSize: least, scattered }),
  );
  const blockSize = Math.max(...choices.map((choice) => choice.blockSize));
  const bytes = files.map(({ fd, device, stats }) => (device ? block.size(fd) : stats.size));
  const readOnly = files.some((file) => file.readOnly);
  return {
    bytes,
    choices,
    geometry: geometryOf(files, choices, blockSize, readOnly),
    shared: {
      files: files.map(({ path, fd, device }, i) => ({ path, fd, device, direct: choices[i]!.direct })),
      blockSize,
      discard: !readOnly && files.every(({ fd, device, stats }, i) => canDiscard(fd, device ? stats : undefined, bytes[i]!)),
    },
  };
}

/** What of a file counts is whole units of so many bytes. */
export interface Unit {
  readonly bytes: number;
  readonly name: "block" | "chunk";
  /** What may be done about a file that has not one of them. */
  readonly remedy: string;
}

/** Bytes of the smallest file, in whole units. One that is less than a unit is refused by name. */
export function leastWhole(wishes: readonly FileWish[], sizes: readonly number[], { bytes, name, remedy }: Unit): number {
  const least = Math.min(...sizes);
  const whole = least - (least % bytes);
  if (whole === 0)
    throw refuse(wishes[sizes.indexOf(least)]!, EINVAL, `it has ${least} bytes, less than one ${name} of ${bytes}; ${remedy}`);
  return whole;
}

// Files take any block, and what is chosen for them may be larger.
function leastBlock(files: readonly LockedFile[]): number | undefined {
  const devices = files.filter(({ device }) => device);
  return devices.length === 0 ? undefined : Math.max(...devices.map(({ fd }) => block.logicalBlockSize(fd)));
}

function geometryOf(
  files: readonly LockedFile[],
  choices: readonly DirectChoice[],
  blockSize: number,
  readOnly: boolean,
): Measured["geometry"] {
  const alignment = Math.max(...choices.map(({ direct, memoryAlignment }) => (direct ? memoryAlignment : 1)));
  return {
    blockSize,
    physicalBlockSize: Math.max(blockSize, ...files.map(({ fd, device }) => (device ? block.physicalBlockSize(fd) : PAGE))),
    readOnly,
    fua: !readOnly,
    zeroCopy: true,
    synchronous: true,
    // Pieces smaller than the file system's block free nothing.
    discardGranularity: files.every(({ device }) => device) ? blockSize : PAGE,
    ...(alignment > 1 ? { dmaAlignment: alignment } : {}),
  };
}

/** Gives the files back; their locks go with them. */
export function closeFiles({ files }: Pick<FilesShared, "files">): void {
  for (const { fd } of files) sys.close(fd);
}
