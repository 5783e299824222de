import { compareDiskServers, READS, type Shape } from "./disk-servers.ts";
import type { BenchContext, Row } from "./harness.ts";
import type { ServerProgram } from "./server.ts";

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

/** In front of a row's shape. */
export const nullName = ({ mode, batch }: Served): string => (batch ? `batch ${mode}` : mode);

function optionsOf({ mode, batch = false }: Served, size: number): string[] {
  return ["--mode", mode, "--depth", "128", "--queues", "1", "--size", String(size), ...(batch ? ["--batch"] : [])];
}

/** Our null server, of one queue of depth 128. */
export function ourNullServer(served: Served, size = 2 ** 30): ServerProgram {
  return { command: [process.execPath, "examples/null/main.ts", ...optionsOf(served, size), served.where, "--quiet-ready"] };
}

/** The same in C. */
export async function floorNullServer(context: BenchContext, served: Served, size = 2 ** 30): Promise<ServerProgram> {
  return { command: [await context.floor("ublk_null"), ...optionsOf(served, size)] };
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
    name: nullName(served),
    ours: ourNullServer(served),
    floor: await floorNullServer(context, served),
    floorName: NULL_FLOOR,
    shapes,
  });
}
