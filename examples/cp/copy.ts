/** Copies a file through a ring: chunks in flight side by side, each in a fixed buffer of its own. */
import { fchmodSync } from "node:fs";
import { basename } from "node:path";
import {
  close,
  FALLOC_FL_KEEP_SIZE,
  type Fd,
  type FixedBuffer,
  fallocate,
  fsync,
  ftruncate,
  O_CREAT,
  O_DIRECT,
  O_EXCL,
  O_WRONLY,
  openat,
  Ring,
  type RunOptions,
  readAll,
  readFixed,
  renameat,
  type Stat,
  statx,
  UringError,
  unlinkat,
  writeAll,
} from "uring-ublk";

/** How to copy. */
export interface CopyOptions {
  /** Bytes per read and write; a multiple of 4096. */
  readonly chunk: number;
  /** Chunks in flight. */
  readonly depth: number;
  /** Past the page cache, for both files. */
  readonly direct: boolean;
  /** On disk before the copy gets its name. */
  readonly sync: boolean;
  readonly signal: AbortSignal;
  onProgress(done: number, total: number): void;
}

/** A copy that cannot be made, in words for whoever asked for it. */
export class CopyError extends Error {}

/** What O_DIRECT's lengths are rounded to: every disk's blocks divide it. */
const BLOCK = 4096;

/** Names what a failed operation was about. */
async function attempt<T>(what: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    if (!(error instanceof UringError)) throw error;
    throw new CopyError(`cannot ${what}: ${error.message}`, { cause: error });
  }
}

/**
 * Copies `source` to `destination`, which appears when it is complete, or not at all; answers its size. A file or link that was there is
 * replaced then. The permissions are copied, without the set-user-ID bit and its like: the copy may belong to somebody else.
 */
export async function copyFile(source: string, destination: string, options: CopyOptions): Promise<number> {
  const { depth, direct, signal } = options;
  await using ring = await Ring.open({ entries: 2 * depth, fixedBuffers: depth });
  const run = { signal };
  const directly = direct ? O_DIRECT : 0;
  const input = await attempt(`open '${source}'`, ring.run(openat({ path: source, flags: directly }), run));
  try {
    const from = await ring.run(statx({ dirfd: input }), run);
    if (from.type !== "file") throw new CopyError(`'${source}' is a ${from.type}; only files are copied`);
    const target = await targetOf(ring, source, destination, from);
    const partial = `${target}.partial-${process.pid}`;
    // Not to be cancelled: the file might exist and nobody know of it.
    const opening = ring.run(openat({ path: partial, flags: O_WRONLY | O_CREAT | O_EXCL | directly, mode: 0o600 }));
    const output = await attempt(`create '${partial}'`, opening);
    try {
      await fill(ring, input, output, from.size, options);
      await verify(ring, input, output, from, options);
      fchmodSync(output, from.permissions & 0o777);
      if (options.sync) await attempt(`write '${target}' to the disk`, ring.run(fsync({ fd: output }), run));
      signal.throwIfAborted();
      await attempt(`make '${target}'`, ring.run(renameat({ oldPath: partial, newPath: target })));
    } catch (error) {
      await ring.settle(unlinkat({ path: partial }));
      throw error;
    } finally {
      await ring.settle(close({ fd: output }));
    }
    return from.size;
  } finally {
    await ring.settle(close({ fd: input }));
  }
}

/** Where the copy goes: the destination, or the source's name in it. */
async function targetOf(ring: Ring, source: string, destination: string, from: Stat): Promise<string> {
  const look = (path: string): Promise<Stat | undefined> =>
    ring.run(statx({ path })).catch((error: unknown) => {
      if (error instanceof UringError && error.code === "ENOENT") return undefined;
      throw new CopyError(`cannot look at '${path}': ${(error as Error).message}`, { cause: error });
    });
  const there = await look(destination);
  const target = there?.type === "directory" ? `${destination}/${basename(source)}` : destination;
  const old = target === destination ? there : await look(target);
  if (old === undefined) return target;
  if (old.type !== "file") throw new CopyError(`'${target}' is a ${old.type}; it is not replaced`);
  if (old.inodeExact === from.inodeExact && old.device.major === from.device.major && old.device.minor === from.device.minor)
    throw new CopyError(`'${source}' and '${target}' are the same file`);
  return target;
}

/** Copies the content. As many lanes as chunks may be in flight take the next chunk each; the first failure stops all. */
async function fill(ring: Ring, input: Fd, output: Fd, size: number, options: CopyOptions): Promise<void> {
  const { chunk, depth, direct, onProgress } = options;
  const stop = new AbortController();
  const run = { signal: AbortSignal.any([options.signal, stop.signal]) };
  await reserve(ring, output, size, run);
  let next = 0;
  let done = 0;
  onProgress(0, size);
  const lane = async (buffer: FixedBuffer): Promise<void> => {
    while (next < size) {
      const offset = next;
      const length = Math.min(chunk, size - offset);
      next += length;
      // O_DIRECT takes whole blocks: the last one is written whole, and cut off at the end.
      const part = buffer.slice(0, direct ? Math.ceil(length / BLOCK) * BLOCK : length);
      const bytes = direct
        ? await ring.run(readFixed({ fd: input, buffer: part, offset }), run)
        : (await readAll(ring, { fd: input, buffer: part, offset }, run)).bytes;
      if (bytes < length) throw new CopyError("the source became shorter while it was copied");
      await writeAll(ring, { fd: output, buffer: part, offset }, run);
      done += length;
      onProgress(done, size);
    }
  };
  const lanes = Array.from({ length: Math.min(depth, Math.ceil(size / chunk)) }, () => ring.fixedBuffer(chunk)).map(lane);
  for (const failing of lanes) failing.catch((error: unknown) => stop.abort(error));
  // All of them: nothing may be in flight when the files are closed.
  const failed = (await Promise.allSettled(lanes)).some(({ status }) => status === "rejected");
  if (failed) throw options.signal.aborted ? options.signal.reason : asCopyError(stop.signal.reason);
  if (direct) await attempt("cut the copy to its size", ring.run(ftruncate({ fd: output, length: size }), run));
}

const asCopyError = (error: unknown): unknown =>
  error instanceof UringError ? new CopyError(`cannot copy: ${error.message}`, { cause: error }) : error;

/** Asks for the space before the work is done. Not every file system can say. */
async function reserve(ring: Ring, output: Fd, size: number, run: RunOptions): Promise<void> {
  if (size === 0) return;
  const reserved = await ring.settle(fallocate({ fd: output, mode: FALLOC_FL_KEEP_SIZE, offset: 0, length: size }), run);
  if (reserved.status === "failed" && reserved.code === "ENOSPC")
    throw new CopyError(`there is no room for ${size} bytes`, { cause: reserved.reason });
}

/** Whether both files have the size that was copied, and the source is the one that it was. */
async function verify(ring: Ring, input: Fd, output: Fd, from: Stat, { direct, signal }: CopyOptions): Promise<void> {
  const run = { signal };
  const [now, copy] = await Promise.all([input, output].map((dirfd) => ring.run(statx({ dirfd }), run)));
  if (copy!.size !== from.size) throw new CopyError(`the copy has ${copy!.size} bytes instead of ${from.size}`);
  if (now!.size !== from.size || now!.modified.ms !== from.modified.ms) throw new CopyError("the source changed while it was copied");
  // Files of /proc and the like say that they have no size, and have content all the same. None of them takes O_DIRECT.
  if (from.size > 0 || direct) return;
  const { bytes } = await readAll(ring, { fd: input, buffer: new Uint8Array(1), offset: 0 }, run);
  if (bytes > 0) throw new CopyError("the source has no size, and content all the same; only files are copied");
}
