import type { Benchmark, Row } from "./harness.ts";
import { compareWithKublk } from "./kublk-servers.ts";
import { compareNullServers, type Served } from "./null-servers.ts";

export default {
  name: "ublk-null",
  unit: "IOPS and server CPU µs per I/O",
  question: "what does a block request cost through a TypeScript server in a Worker, compared with one in C?",
  where: "vm",
  withKublk: true,
  async run(context) {
    const rows: Row[] = [];
    for (const mode of ["copy", "auto"] as const) {
      const served: Served = { mode, where: "--workers" };
      rows.push(...(await compareNullServers(context, "ublk-null", served)));
      rows.push(...(await compareWithKublk(context, "ublk-null", served)));
    }
    return rows;
  },
} satisfies Benchmark;
