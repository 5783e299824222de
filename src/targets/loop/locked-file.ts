import { fstatSync, ftruncateSync, type Stats, statSync, unlinkSync } from "node:fs";
import { LOCK_EX, LOCK_NB, LOCK_SH, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, SystemError, sys } from "../../ffi/index.ts";
import { isReadOnly, refuseLoopFile, refuseUse } from "./block-device.ts";
import type { Checked } from "./options.ts";

/** A file or block device that is open, and locked for as long as it is. */
export interface LockedFile {
  readonly path: string;
  readonly fd: number;
  /** What it is: measured under the lock, so that nobody who keeps to locks changes it any more. */
  readonly stats: Stats;
  readonly device: boolean;
  readonly readOnly: boolean;
  /** It was not there before. */
  readonly made: boolean;
}

const EACCES = -13;
const EBUSY = -16;
const EEXIST = -17;
const EINVAL = -22;
const ENOENT = -2;
const LOCK_STEP_MS = 50;
const DEVICE_PATIENCE_MS = 5000;

export const refuse = (path: string, errno: number, hint: string, cause?: unknown): SystemError =>
  new SystemError({ syscall: "loop: path", subject: path, errno, hint, cause });

const codeOf = (error: unknown): number => (error instanceof SystemError ? error.errno : 0);

/** Opens and locks what the options name, and makes it if that was asked for. Whatever fails leaves nothing behind. */
export async function openLocked(options: Checked): Promise<LockedFile> {
  const { path } = options;
  const fresh = make(options);
  const made = fresh !== undefined;
  const device = !made && refuseUnfit(options).isBlockDevice();
  const opened = made ? { fd: fresh, readOnly: false } : openFile(options, device ? O_EXCL : 0);
  const { fd } = opened;
  let locked = false;
  try {
    const readOnly = opened.readOnly || (device && isReadOnly(fd));
    if (readOnly && options.readOnly === false)
      throw refuse(path, EACCES, "the device is read-only, and readOnly is false; leave readOnly out");
    await lock(fd, path, readOnly, device ? DEVICE_PATIENCE_MS : 0);
    locked = true;
    if (made) grow(fd, options);
    return { path, fd, stats: measure(fd, options, made || device), device, readOnly, made };
  } catch (error) {
    // Without the lock it may be somebody else's by now.
    discard({ path, fd, made: made && locked });
    throw error;
  }
}

/** Closes a file that is of no use after all, and removes it if it was made here. The lock goes last. */
export function discard({ path, fd, made }: Pick<LockedFile, "path" | "fd" | "made">): void {
  try {
    if (made && leadsTo(path, fstatSync(fd))) unlinkSync(path);
  } finally {
    sys.close(fd);
  }
}

/** Makes the file if it is missing and that was asked for. */
function make({ path, create }: Checked): number | undefined {
  if (create === undefined || statSync(path, { throwIfNoEntry: false }) !== undefined) return undefined;
  try {
    return sys.open(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
  } catch (error) {
    if (codeOf(error) === EEXIST && statSync(path, { throwIfNoEntry: false }) !== undefined) return undefined; // somebody was quicker
    throw refuse(path, codeOf(error), "it cannot be created; check that its directory exists and can be written", error);
  }
}

function grow(fd: number, { path, create }: Checked): void {
  try {
    ftruncateSync(fd, create);
  } catch (cause) {
    throw new RangeError(`loop: create is ${create} bytes, and '${path}' cannot be made that large: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Refuses what cannot be a disk, or is one already, before it is opened. */
function refuseUnfit({ path, create }: Checked): Stats {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw refuse(path, ENOENT, 'there is no such file; give one that exists, or create: "1 GiB" to make it');
  if (!stats.isFile() && !stats.isBlockDevice())
    throw refuse(
      path,
      EINVAL,
      `it is ${stats.isDirectory() ? "a directory" : "no regular file and no block device"}; give the path of a disk image or block device`,
    );
  if (stats.isFile()) refuseLoopFile(path, refuse);
  else if (create !== undefined) throw alreadyThere(path, "a size of its own", create);
  else refuseUse(path, stats, refuse);
  return stats;
}

/** What the descriptor stands for, now that it is locked. `settled`: nobody can have changed it meanwhile. */
function measure(fd: number, { path, create }: Checked, settled: boolean): Stats {
  const stats = fstatSync(fd);
  if (settled) return stats;
  // Whoever had the lock before may have removed the file: then this is one that nobody will ever find.
  if (!leadsTo(path, stats)) throw refuse(path, EBUSY, "it was removed or replaced while it was opened; try again");
  if (create !== undefined && stats.size !== create) throw alreadyThere(path, `${stats.size} bytes`, create);
  return stats;
}

const alreadyThere = (path: string, size: string, create: number): SystemError =>
  refuse(
    path,
    EEXIST,
    `it is there already with ${size}, and create asks for ${create}; leave create out to use it as it is, or remove it`,
  );

function leadsTo(path: string, { dev, ino }: Stats): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  return there !== undefined && there.dev === dev && there.ino === ino;
}

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
