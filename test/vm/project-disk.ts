import { copyFileSync, linkSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, type Stats, symlinkSync } from "node:fs";
import { join } from "node:path";
import { cached, contentKey, trim } from "./cache.ts";
import { FORMAT, imageMegabytes, makeImage } from "./disk-image.ts";
import type { Session } from "./session.ts";

/** Not copied: history, results of earlier runs, and what has a disk of its own. */
const LEFT_OUT = new Set([".git", "vm-out", "node_modules"]);

/** In node_modules, but made by the tools that run, and no package. */
const TOOL_CACHES = new Set([".cache"]);

/** Room for what a command writes into the project; sparse, so it costs nothing until used. */
const SPARE_MEGABYTES = 8192;

/** A writable disk with a copy of the project as it is now; the project itself is out of the VM's reach. */
export async function makeProjectDisk(session: Session, project: string): Promise<string> {
  const tree = session.path("project");
  const { bytes, files } = copyTree(project, tree, (name) => LEFT_OUT.has(name));
  mkdirSync(join(tree, "vm-out"));
  mkdirSync(join(tree, "node_modules"));
  const image = session.path("project.img");
  await makeImage({
    image,
    from: tree,
    megabytes: imageMegabytes(bytes, files) + SPARE_MEGABYTES,
    signal: session.signal,
  });
  rmSync(tree, { recursive: true });
  return image;
}

/**
 * A disk with the project's node_modules, or undefined if there are none. It is told apart by names and sizes and
 * not by times, so that all checkouts with the same packages share one.
 */
export async function ensureDependenciesDisk(session: Session, project: string): Promise<string | undefined> {
  const source = join(project, "node_modules");
  if (lstatSync(source, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  const state: unknown[] = [FORMAT];
  walk(source, "", (path, stats) => {
    if (TOOL_CACHES.has(path)) return false;
    // A directory's size depends on its history.
    return state.push(path, stats.mode, stats.isDirectory() ? 0 : stats.size);
  });
  const directory = await cached(session, `dependencies-${contentKey(state)}`, async (draft) => {
    const tree = join(draft, "tree");
    const { bytes, files } = copyTree(source, tree, (name) => TOOL_CACHES.has(name));
    await makeImage({
      image: join(draft, "dependencies.img"),
      from: tree,
      megabytes: imageMegabytes(bytes, files) + 64,
      signal: session.signal,
    });
    rmSync(tree, { recursive: true });
  });
  trim("dependencies-", 2);
  return join(directory, "dependencies.img");
}

function copyTree(from: string, to: string, leaveOut: (name: string) => boolean): { bytes: number; files: number } {
  let bytes = 0;
  let files = 0;
  mkdirSync(to);
  walk(from, "", (path, stats) => {
    if (!path.includes("/") && leaveOut(path)) return false;
    const source = join(from, path);
    const target = join(to, path);
    files++;
    bytes += stats.size;
    if (stats.isDirectory()) mkdirSync(target, { mode: stats.mode | 0o700 });
    else if (stats.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else if (stats.isFile()) linkOrCopy(source, target);
    return true;
  });
  return { bytes, files };
}

/** A hard link suffices for a tree that is only read into an image, and is quicker; it needs the same file system. */
function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return; // gone since it was listed
    copyFileSync(source, target);
  }
}

/** Visits everything under a folder in a fixed order, without following links; `false` leaves a folder out. */
function walk(root: string, folder: string, visit: (path: string, stats: Stats) => unknown): void {
  for (const name of readdirSync(join(root, folder)).sort()) {
    const path = folder === "" ? name : `${folder}/${name}`;
    const stats = lstatSync(join(root, path), { throwIfNoEntry: false });
    if (stats === undefined) continue; // a temporary file that has just gone
    if (visit(path, stats) !== false && stats.isDirectory()) walk(root, path, visit);
  }
}
