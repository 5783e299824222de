import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What is read at once. */
export const BLOCK = 4096;
/** Blocks in the file: a power of two, so that a random one is a mask away. */
export const BLOCKS = 16384;

/** The generator of bench/floor/ring_read.c, so that both sides read the same blocks (xorshift32). */
export function nextRandom(seed: number): number {
  let x = seed;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x;
}

// On a disk: reads of a tmpfs do not complete at once but go through the kernel's worker threads.
const FOLDER = "/var/tmp";

/** Runs `work` with a file whose every page is in memory. */
export async function withCachedFile<T>(work: (path: string, fd: number) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(FOLDER, "uring-ublk-bench-"));
  const path = join(folder, "data");
  writeFileSync(path, new Uint8Array(BLOCKS * BLOCK).fill(1));
  const fd = openSync(path, "r");
  try {
    return await work(path, fd);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}
