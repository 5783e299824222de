import { READS } from "./disk-servers.ts";
import type { Benchmark, Row } from "./harness.ts";
import { compareWithKublk } from "./kublk-servers.ts";
import { compareNullServers, type Served } from "./null-servers.ts";

const WAYS: readonly Pick<Served, "mode" | "batch">[] = [
  { mode: "user-copy" },
  { mode: "zero-copy" },
  { mode: "copy", batch: true },
  { mode: "auto", batch: true },
];

export default {
  name: "ublk-modes",
  unit: "IOPS and server CPU µs per I/O",
  question: "what does a block request cost in the other data modes, and in batches, compared with a C server that does the same?",
  where: "vm",
  withKublk: true,
  async run(context) {
    const rows: Row[] = [];
    for (const way of WAYS) {
      const served: Served = { ...way, where: "--workers" };
      rows.push(...(await compareNullServers(context, "ublk-modes", served, READS)));
      rows.push(...(await compareWithKublk(context, "ublk-modes", served)));
    }
    return rows;
  },
} satisfies Benchmark;
