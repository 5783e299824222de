import { fstatSync, ftruncateSync, type Stats, statSync, unlinkSync } from "node:fs";
import { LOCK_EX, LOCK_NB, LOCK_SH, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, SystemError, sys } from "../../ffi/index.ts";
import { isReadOnly, refuseLoopFile, refuseUse } from "./block-device.ts";
import type { FileWish } from "./options.ts";

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

/** The error that says why a file is not served. */
export const refuse = (wish: FileWish, errno: number, hint: string, cause?: unknown): SystemError =>
  new SystemError({ syscall: `${wish.target}: ${wish.option}`, subject: wish.path, errno, hint, cause });

const codeOf = (error: unknown): number => (error instanceof SystemError ? error.errno : 0);

/** Opens and locks what the options name, and makes it if that was asked for. Whatever fails leaves nothing behind. */
export async function openLocked(wish: FileWish): Promise<LockedFile> {
  const { path } = wish;
  const fresh = make(wish);
  const made = fresh !== undefined;
  const device = !made && refuseUnfit(wish).isBlockDevice();
  const opened = made ? { fd: fresh, readOnly: false } : openFile(wish, device ? O_EXCL : 0);
  const { fd } = opened;
  let locked = false;
  try {
    const readOnly = opened.readOnly || (device && isReadOnly(fd));
    if (readOnly && wish.readOnly === false)
      throw refuse(wish, EACCES, "the device is read-only, and readOnly is false; leave readOnly out");
    await lock(fd, wish, readOnly, device ? DEVICE_PATIENCE_MS : 0);
    locked = true;
    if (made) grow(fd, wish);
    return { path, fd, stats: measure(fd, wish, made || device), device, readOnly, made };
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
function make(wish: FileWish): number | undefined {
  const { path, create } = wish;
  if (create === undefined || statSync(path, { throwIfNoEntry: false }) !== undefined) return undefined;
  try {
    return sys.open(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
  } catch (error) {
    if (codeOf(error) === EEXIST && statSync(path, { throwIfNoEntry: false }) !== undefined) return undefined; // somebody was quicker
    throw refuse(wish, codeOf(error), "it cannot be created; check that its directory exists and can be written", error);
  }
}

function grow(fd: number, { target, path, create }: FileWish): void {
  try {
    ftruncateSync(fd, create);
  } catch (cause) {
    throw new RangeError(`${target}: create is ${create} bytes, and '${path}' cannot be made that large: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Refuses what cannot be a disk, or is one already, before it is opened. */
function refuseUnfit(wish: FileWish): Stats {
  const { path, create } = wish;
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw refuse(wish, ENOENT, 'there is no such file; give one that exists, or create: "1 GiB" to make it');
  if (!stats.isFile() && !stats.isBlockDevice())
    throw refuse(
      wish,
      EINVAL,
      `it is ${stats.isDirectory() ? "a directory" : "no regular file and no block device"}; give the path of a disk image or block device`,
    );
  if (stats.isFile()) refuseLoopFile(wish, refuse);
  else if (create !== undefined) throw alreadyThere(wish, "a size of its own");
  else refuseUse(wish, stats, refuse);
  return stats;
}

/** What the descriptor stands for, now that it is locked. `settled`: nobody can have changed it meanwhile. */
function measure(fd: number, wish: FileWish, settled: boolean): Stats {
  const stats = fstatSync(fd);
  if (settled) return stats;
  // Whoever had the lock before may have removed the file: then this is one that nobody will ever find.
  if (!leadsTo(wish.path, stats)) throw refuse(wish, EBUSY, "it was removed or replaced while it was opened; try again");
  if (wish.create !== undefined && stats.size !== wish.create) throw alreadyThere(wish, `${stats.size} bytes`);
  return stats;
}

const alreadyThere = (wish: FileWish, size: string): SystemError =>
  refuse(
    wish,
    EEXIST,
    `it is there already with ${size}, and create asks for ${wish.create}; leave create out to use it as it is, or remove it`,
  );

function leadsTo(path: string, { dev, ino }: Stats): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  return there !== undefined && there.dev === dev && there.ino === ino;
}

/** Opens for writing if at all possible, unless told otherwise. */
function openFile(wish: FileWish, flags: number): { fd: number; readOnly: boolean } {
  const { path } = wish;
  try {
    if (wish.readOnly === true) return { fd: sys.open(path, O_RDONLY | flags), readOnly: true };
    try {
      return { fd: sys.open(path, O_RDWR | flags), readOnly: false };
    } catch (error) {
      // EACCES: its mode, or a read-only device; EPERM: immutable; EROFS: its file system.
      if (wish.readOnly === false || ![EACCES, -1, -30].includes(codeOf(error))) throw error;
      return { fd: sys.open(path, O_RDONLY | flags), readOnly: true };
    }
  } catch (error) {
    if (codeOf(error) === EBUSY)
      throw refuse(
        wish,
        EBUSY,
        "the device is in use: it, or a part of it, is mounted, or held by RAID, LVM, swap or the like; release it first",
        error,
      );
    throw refuse(
      wish,
      codeOf(error),
      `it cannot be opened for ${wish.readOnly === true ? "reading" : "reading and writing"}; check its permissions, or run as root`,
      error,
    );
  }
}

/** Locks for the life of the descriptor. udev locks a block device for as long as it looks at it: that is waited for. */
async function lock(fd: number, wish: FileWish, readOnly: boolean, patience: number): Promise<void> {
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
          wish,
          EBUSY,
          "it is locked: another process serves or uses it; stop that one (`lslocks` and `fuser -v` name it)",
          error,
        );
      }
    }
  }
}
