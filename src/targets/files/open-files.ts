import { statSync } from "node:fs";
import { discard, type LockedFile, openLocked, refuse } from "./locked-file.ts";
import type { FileWish, Manner } from "./options.ts";

const EEXIST = -17;
const EINVAL = -22;

/** Opens and locks the files that make one disk, each once. Whatever fails leaves nothing behind. */
export async function openFiles(paths: readonly string[], manner: Manner): Promise<readonly LockedFile[]> {
  const files: LockedFile[] = [];
  try {
    for (const [i, path] of paths.entries()) {
      const wish: FileWish = { ...manner, option: `paths[${i}]`, path };
      refuseTwin(wish, files);
      files.push(await openLocked(wish));
    }
    refuseMixture(files, manner);
    return files;
  } catch (error) {
    discardAll(files);
    throw error;
  }
}

/** Closes files that are of no use after all, and removes those that were made here. */
export function discardAll(files: readonly LockedFile[]): void {
  for (const file of files) {
    try {
      discard(file);
    } catch {
      // The others are discarded all the same, and the caller has an error to throw already.
    }
  }
}

// Before the lock is tried: that would say that another process has it.
function refuseTwin(wish: FileWish, files: readonly LockedFile[]): void {
  const stats = statSync(wish.path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  const twin = files.findIndex(({ device, stats: other }) =>
    device ? stats.isBlockDevice() && stats.rdev === other.rdev : stats.dev === other.dev && stats.ino === other.ino,
  );
  if (twin >= 0) throw refuse(wish, EINVAL, `it is the same file as paths[${twin}], '${files[twin]!.path}'; give each file once`);
}

// An empty file among others that have contents would be a disk full of holes, or a mirror that shows two things.
function refuseMixture(files: readonly LockedFile[], manner: Manner): void {
  const found = files.findIndex(({ made }) => !made);
  const fresh = files.findIndex(({ made }) => made);
  if (found < 0 || fresh < 0) return;
  throw refuse(
    { ...manner, option: `paths[${found}]`, path: files[found]!.path },
    EEXIST,
    `it is there already, and paths[${fresh}], '${files[fresh]!.path}', is not: create makes all of the files or none; remove it, or bring the other back`,
  );
}
