import type { Benchmark } from "./harness.ts";
import { compareNullServers } from "./null-servers.ts";

export default {
  name: "ublk-event-loop",
  unit: "IOPS and server CPU µs per I/O",
  question: "what does it cost to serve a disk on the calling thread, through its event loop, compared with a C server that may block?",
  where: "vm",
  run: (context) => compareNullServers(context, "ublk-event-loop", { mode: "copy", where: "--calling-thread" }),
} satisfies Benchmark;
