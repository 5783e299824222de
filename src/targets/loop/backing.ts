import { ftruncateSync, type Stats, statSync, unlinkSync } from "node:fs";
import { block, LOCK_EX, LOCK_NB, LOCK_SH, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, SystemError, sys } from "../../ffi/index.ts";
import { type Opened, parseSize, type Size } from "../../ublk/index.ts";
import { checkBoolean, checkChoice, checkKnown, show } from "../../uring/options.ts";
import { canDiscard, isReadOnly, refuseLoopFile, refuseUse } from "./block-device.ts";
import { chooseDirect, type DirectChoice } from "./direct.ts";

/** Options of the loop disk. */
export interface LoopOptions {
  /** A regular file or a block device. */
  path: string;
  /** Makes a file of this size, without contents, where there is none. One that is there must have this size. */
  create?: Size;
  /** Clients may only read. Default: only if the file or device cannot be written. */
  readOnly?: boolean;
  /**
   * Past the page cache (`O_DIRECT`): `"auto"` where the file system can and the block size allows it, `true` or an error, `false` never.
   * Default `"auto"`.
   */
  direct?: boolean | "auto";
  /** Logical block; default the device's own, and 512 for files. */
  blockSize?: Size;
  /** Told what was opened, and how. */
  opened?: (backing: LoopBacking) => void;
}

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

const EACCES = -13;
const EBUSY = -16;
const EEXIST = -17;
const ENOENT = -2;
const SECTOR = 512;
const LOCK_STEP_MS = 50;
const DEVICE_PATIENCE_MS = 5000;

interface Checked {
  readonly path: string;
  readonly create: number | undefined;
  readonly readOnly: boolean | undefined;
  readonly direct: boolean | "auto";
  readonly blockSize: number | undefined;
}

function check(options: LoopOptions): Checked {
  const what = "loop";
  if (typeof options !== "object" || options === null)
    throw new TypeError("loop: path is missing; give options with at least the path of a file or block device");
  checkKnown(what, options, ["path", "create", "readOnly", "direct", "blockSize", "opened"]);
  const { path, direct = "auto", opened } = options;
  if (typeof path !== "string" || path === "")
    throw new TypeError(`loop: path is ${show(path)}; it must be the path of a file or block device`);
  if (opened !== undefined && typeof opened !== "function") throw new TypeError(`loop: opened is ${show(opened)}; it must be a function`);
  if (options.readOnly !== undefined) checkBoolean(what, "readOnly", options.readOnly);
  if (direct !== true && direct !== false) checkChoice(what, "direct", direct, ["auto"]);
  const blockSize = options.blockSize === undefined ? undefined : parseSize(options.blockSize, "loop: blockSize");
  if (blockSize !== undefined && ![512, 1024, 2048, 4096].includes(blockSize))
    throw new RangeError(`loop: blockSize is ${blockSize}; it must be 512, 1024, 2048 or 4096`);
  const create = options.create === undefined ? undefined : parseSize(options.create, "loop: create");
  const unit = blockSize ?? SECTOR;
  if (create !== undefined && (create === 0 || create % unit !== 0))
    throw new RangeError(`loop: create is ${create} bytes; it must be a positive multiple of ${unit}`);
  if (create !== undefined && options.readOnly === true)
    throw new TypeError("loop: create makes an empty file, which is of no use with readOnly: true; leave one of them out");
  return { path, create, readOnly: options.readOnly, direct, blockSize };
}

const refuse = (path: string, errno: number, hint: string, cause?: unknown): SystemError =>
  new SystemError({ syscall: "loop: path", subject: path, errno, hint, cause });

const codeOf = (error: unknown): number => (error instanceof SystemError ? error.errno : 0);

/** Opens for writing if at all possible, unless told otherwise. */
function openFile(options: Checked, flags: number): { fd: number; readOnly: boolean } {
  const { path } = options;
  try {
    if (options.readOnly === true) return { fd: sys.open(path, O_RDONLY | flags), readOnly: true };
    try {
      return { fd: sys.open(path, O_RDWR | flags), readOnly: false };
    } catch (error) {
      // EACCES: its mode, or a read-only device; EPERM: immutable; EROFS: its file system.
      if (options.readOnly === false || ![EACCES, -1, -30].includes(codeOf(error))) throw error;
      return { fd: sys.open(path, O_RDONLY | flags), readOnly: true };
    }
  } catch (error) {
    if (codeOf(error) === EBUSY)
      throw refuse(
        path,
        EBUSY,
        "the device is in use: it, or a part of it, is mounted, or held by RAID, LVM, swap or the like; release it first",
        error,
      );
    throw refuse(
      path,
      codeOf(error),
      `it cannot be opened for ${options.readOnly === true ? "reading" : "reading and writing"}; check its permissions, or run as root`,
      error,
    );
  }
}

/** Locks for the life of the descriptor. udev locks a block device for as long as it looks at it: that is waited for. */
async function lock(fd: number, path: string, readOnly: boolean, patience: number): Promise<void> {
  const until = performance.now() + patience;
  for (;;) {
    try {
      // Readers share the file with readers.
      sys.flock(fd, (readOnly ? LOCK_SH : LOCK_EX) | LOCK_NB);
      return;
    } catch (error) {
      if (performance.now() < until) await Bun.sleep(LOCK_STEP_MS);
      else {
        throw refuse(
          path,
          EBUSY,
          "it is locked: another process serves or uses it; stop that one (`lslocks` and `fuser -v` name it)",
          error,
        );
      }
    }
  }
}

/** Makes the file if it is missing and that was asked for. Answers what is there, and whether it was made. */
function find(options: Checked): { stats: Stats; made: boolean } {
  const { path, create } = options;
  let stats = statSync(path, { throwIfNoEntry: false });
  const made = stats === undefined && create !== undefined;
  if (made) {
    let fd: number;
    try {
      fd = sys.open(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
    } catch (error) {
      throw refuse(path, codeOf(error), "it cannot be created; check that its directory exists and can be written", error);
    }
    try {
      ftruncateSync(fd, create);
      stats = statSync(path);
    } catch (cause) {
      unlinkSync(path);
      throw new RangeError(`loop: create is ${create} bytes, and '${path}' cannot be made that large: ${(cause as Error).message}`, {
        cause,
      });
    } finally {
      sys.close(fd);
    }
  }
  if (stats === undefined) throw refuse(path, ENOENT, 'there is no such file; give one that exists, or create: "1 GiB" to make it');
  if (!stats.isFile() && !stats.isBlockDevice())
    throw refuse(
      path,
      -22,
      `it is ${stats.isDirectory() ? "a directory" : "no regular file and no block device"}; give the path of a disk image or block device`,
    );
  if (create !== undefined && !made && (!stats.isFile() || stats.size !== create)) {
    throw refuse(
      path,
      EEXIST,
      `it is there already with ${stats.isFile() ? `${stats.size} bytes` : "a size of its own"}, and create asks for ${create}; leave create out to use it as it is, or remove it`,
    );
  }
  return { stats, made };
}

/** Opens, locks and measures what the disk stands on. Whatever fails leaves nothing behind. */
export async function openBacking(options: LoopOptions): Promise<Opened<LoopShared>> {
  const checked = check(options);
  const { path } = checked;
  const { stats, made } = find(checked);
  const device = stats.isBlockDevice();
  if (device) refuseUse(path, stats, refuse);
  else refuseLoopFile(path, refuse);
  let fd = -1;
  try {
    const opened = openFile(checked, device ? O_EXCL : 0);
    fd = opened.fd;
    const readOnly = opened.readOnly || (device && isReadOnly(fd));
    if (readOnly && checked.readOnly === false)
      throw refuse(path, EACCES, "the device is read-only, and readOnly is false; leave readOnly out");
    await lock(fd, path, readOnly, device ? DEVICE_PATIENCE_MS : 0);
    const choice = chooseDirect(fd, {
      direct: checked.direct,
      blockSize: checked.blockSize ?? (device ? block.logicalBlockSize(fd) : undefined),
      path,
    });
    const bytes = device ? block.size(fd) : stats.size;
    const size = bytes - (bytes % choice.blockSize);
    if (size === 0)
      throw refuse(
        path,
        -22,
        `it has ${bytes} bytes, less than one block of ${choice.blockSize}; give a larger file, or create: "1 GiB" with the name of a new one`,
      );
    options.opened?.({
      path,
      kind: device ? "block device" : "file",
      size,
      blockSize: choice.blockSize,
      readOnly,
      direct: choice.direct,
      buffered: choice.buffered,
    });
    return geometry(fd, { size, readOnly, device, stats }, choice);
  } catch (error) {
    if (fd >= 0) sys.close(fd);
    if (made) unlinkSync(path);
    throw error;
  }
}

function geometry(
  fd: number,
  file: { size: number; readOnly: boolean; device: boolean; stats: Stats },
  choice: DirectChoice,
): Opened<LoopShared> {
  const { size, readOnly, device, stats } = file;
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
