import { statSync } from "node:fs";
import { discard, type LockedFile, openLocked, refuse } from "./locked-file.ts";
import type { FileWish, Manner } from "./options.ts";

const EEXIST = -17;
const EINVAL = -22;

/** The files that the option `paths` names. */
export const wishesFor = (paths: readonly string[], manner: Manner): readonly FileWish[] =>
  paths.map((path, i) => ({ ...manner, option: `paths[${i}]`, path }));

/** Opens and locks the files that make one disk, each once, and makes a disk of them. Whatever fails leaves nothing behind. */
export async function openFiles<Disk>(wishes: readonly FileWish[], describe: (files: readonly LockedFile[]) => Disk): Promise<Disk> {
  const files: LockedFile[] = [];
  try {
    for (const wish of wishes) {
      refuseTwin(wish, wishes, files);
      files.push(await openLocked(wish));
    }
    refuseMixture(wishes, files);
    return describe(files);
  } catch (error) {
    discardAll(files);
    throw error;
  }
}

// Files that are of no use after all are closed, and those that were made here removed.
function discardAll(files: readonly LockedFile[]): void {
  for (const file of files) {
    try {
      discard(file);
    } catch {
      // The others are discarded all the same, and the caller has an error to throw already.
    }
  }
}

// Before the lock is tried: that would say that another process has it.
function refuseTwin(wish: FileWish, wishes: readonly FileWish[], files: readonly LockedFile[]): void {
  const stats = statSync(wish.path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const twin = files.findIndex(({ device, stats: other }) =>
    device ? stats.isBlockDevice() && stats.rdev === other.rdev : stats.dev === other.dev && stats.ino === other.ino,
  );
  if (twin >= 0) throw refuse(wish, EINVAL, `it is the same file as ${wishes[twin]!.option}, '${files[twin]!.path}'; give each file once`);
}

// An empty file among others that have contents would be a disk full of holes, or a mirror that shows two things.
function refuseMixture(wishes: readonly FileWish[], files: readonly LockedFile[]): void {
  const found = files.findIndex(({ made }) => !made);
  const fresh = files.findIndex(({ made }) => made);
  if (found < 0 || fresh < 0) return;
  throw refuse(
    wishes[found]!,
    EEXIST,
    `it is there already, and ${wishes[fresh]!.option}, '${files[fresh]!.path}', is not: create makes all of the files or none; remove it, or bring the other back`,
  );
}
