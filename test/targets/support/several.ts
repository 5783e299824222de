/** What the tests of disks on several files share. */
import { type DataMode, MODES, type ServeOptions, serve, type TargetDefinition, type UblkDevice } from "uring-ublk";
import type { BundledTarget } from "uring-ublk/targets";
import { haveUblk, isFullRun, kernelAtLeast, requires, ublkTest } from "../../support/requires.ts";
import { fio } from "../../ublk/support/fio.ts";

export type Where = "the calling thread" | "two Workers";

/** Each mode that says something of its own about operations on parts of a request, on either kind of thread. */
export const ROWS: readonly (readonly [DataMode, Where])[] = (["copy", "user-copy", "zero-copy", "auto-buf-reg"] as const).flatMap(
  (mode) => [[mode, "the calling thread"] as const, [mode, "two Workers"] as const],
);

/** A test in a mode, where the kernel has it. */
export function testIn(mode: DataMode, usual: boolean) {
  const { since } = MODES.find(({ name }) => name === mode)!;
  if (haveUblk() && !kernelAtLeast(since)) return requires(false, `mode ${mode} came with Linux ${since}`);
  return ublkTest(usual);
}

/** Serves a target there. */
export function serveThere<T>(target: BundledTarget<T>, options: T, where: Where, how: ServeOptions<never>): Promise<UblkDevice> {
  if (where === "two Workers") return serve<T>(target.url, { ...how, queues: 2, options });
  return serve((target as (options: T) => TargetDefinition)(options), how);
}

/** Lets the kernel send requests as large as the disk takes. */
export const LARGE = `q=/sys/block/$(basename "$1")/queue; cat $q/max_hw_sectors_kb > $q/max_sectors_kb`;

/** Random writes of all sizes, read again and compared. */
export async function verified(path: string, size: string, largest: string): Promise<boolean> {
  const load = { rw: "randwrite", bsrange: `512-${largest}`, blockalign: 512, size, verify: "crc32c", do_verify: 1, iodepth: 16 };
  const { jobs } = await fio(path, { ...load, ...(isFullRun() ? { loops: 4 } : {}) });
  return jobs.every((job) => job.error === 0);
}

/** So many bytes of noise. */
export function noise(bytes: number): Buffer {
  const all = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(all.subarray(at, Math.min(bytes, at + 65536)));
  return all;
}
