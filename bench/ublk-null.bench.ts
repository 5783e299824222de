import type { Benchmark, Row } from "./harness.ts";
import { compareNullServers } from "./null-servers.ts";

export default {
  name: "ublk-null",
  unit: "IOPS and server CPU µs per I/O",
  question: "what does a block request cost through a TypeScript server in a Worker, compared with one in C?",
  where: "vm",
  async run(context) {
    const rows: Row[] = [];
    for (const mode of ["copy", "auto"] as const) {
      rows.push(...(await compareNullServers(context, "ublk-null", { mode, where: "--workers" })));
    }
    return rows;
  },
} satisfies Benchmark;
