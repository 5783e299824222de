import { withCachedFile } from "./cached-file.ts";
import { compareDiskServers, READS } from "./disk-servers.ts";
import type { Benchmark } from "./harness.ts";

const OPTIONS = ["--mode", "auto", "--depth", "128", "--queues", "1"];

export default {
  name: "ublk-loop",
  unit: "IOPS and server CPU µs per I/O",
  question: "what does a read of a cached file served as a disk cost, its pages lent by the kernel, compared with a C server?",
  where: "vm",
  run: (context) =>
    withCachedFile(async (path) =>
      compareDiskServers(context, {
        benchmark: "ublk-loop",
        name: "auto",
        ours: { command: [process.execPath, "examples/loop/main.ts", path, ...OPTIONS, "--direct", "no", "--workers", "--quiet-ready"] },
        floor: { command: [await context.floor("ublk_loop"), "--file", path, ...OPTIONS] },
        floorName: "C server (bench/floor/ublk_loop.c)",
        shapes: READS, // both serve one file
      }),
    ),
} satisfies Benchmark;
