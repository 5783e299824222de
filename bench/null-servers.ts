import { compareDiskServers, READS, type Shape } from "./disk-servers.ts";
import type { BenchContext, Row } from "./harness.ts";

/** How a null disk's queue is served. */
export interface Served {
  readonly mode: "copy" | "user-copy" | "zero-copy" | "auto";
  /** Requests come and go by the list. */
  readonly batch?: boolean;
  /** Of ours: a Worker blocks in enter, the calling thread goes through the event loop. The floor has a thread, and is the same for both. */
  readonly where: "--workers" | "--calling-thread";
}

/** The floor, in the rows. */
export const NULL_FLOOR = "C server (bench/floor/ublk_null.c)";

const SHAPES: readonly Shape[] = [...READS, { pattern: "randwrite", depth: 32 }];

/** The commands that start null servers of one queue of depth 128, ours and the floor's. */
export async function nullServers(
  context: BenchContext,
  { mode, batch = false, where }: Served,
): Promise<{ ours: string[]; floor: string[] }> {
  const options = ["--mode", mode, "--depth", "128", "--queues", "1", "--size", String(2 ** 30), ...(batch ? ["--batch"] : [])];
  return {
    ours: [process.execPath, "examples/null/main.ts", ...options, where, "--quiet-ready"],
    floor: [await context.floor("ublk_null"), ...options],
  };
}

/** Null servers, ours and the floor's: what is measured is the path to them. */
export async function compareNullServers(
  context: BenchContext,
  benchmark: string,
  served: Served,
  shapes: readonly Shape[] = SHAPES,
): Promise<Row[]> {
  return compareDiskServers(context, {
    benchmark,
    name: served.batch ? `batch ${served.mode}` : served.mode,
    ...(await nullServers(context, served)),
    floorName: NULL_FLOOR,
    shapes,
  });
}
