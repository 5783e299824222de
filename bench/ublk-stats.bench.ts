import { existsSync } from "node:fs";
import { READS, type Sample, type Shape, sample, warmUp } from "./disk-servers.ts";
import { type BenchContext, type Benchmark, interleave, type Row, row } from "./harness.ts";
import { ourNullServer } from "./null-servers.ts";
import { type Server, startServer } from "./server.ts";

const TRACING = "/sys/kernel/tracing";
const SHAPES: readonly Shape[] = READS.filter(({ depth }) => depth <= 32);
const WAYS = [
  { name: "stats --watch", options: ["--watch"] },
  { name: "stats --latency --watch", options: ["--watch", "--latency"] },
];

async function mountTracing(): Promise<void> {
  if (existsSync(`${TRACING}/README`)) return;
  const child = Bun.spawn(["mount", "-t", "tracefs", "nodev", TRACING], { stdio: ["ignore", "ignore", "inherit"] });
  if ((await child.exited) !== 0) throw new Error(`tracefs cannot be mounted on ${TRACING}`);
}

/** A `stats` that has looked once, and looks every second until it is disposed. */
async function watching(device: string, options: readonly string[]): Promise<AsyncDisposable> {
  const command = [process.execPath, "src/cli/main.ts", "stats", device, ...options, "--json"];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const lines = child.stdout.getReader();
  if ((await lines.read()).done) throw new Error(`${command.join(" ")} ended with status ${await child.exited}`);
  const rest = (async () => {
    while (!(await lines.read()).done);
  })();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      await rest;
    },
  };
}

async function watched(server: Server, options: readonly string[], shape: Shape, seconds: number): Promise<Sample> {
  await using _ = await watching(server.announced, options);
  return await sample(server, shape, seconds);
}

async function compare(context: BenchContext, server: Server): Promise<Row[]> {
  const rows: Row[] = [];
  const seconds = Math.max(1, Math.round(context.milliseconds / 1000));
  for (const shape of SHAPES) {
    for (const { name, options } of WAYS) {
      const what = `${name}, ${shape.pattern} qd ${shape.depth}`;
      context.say(`ublk-stats: ${what}`);
      const { ours, floor } = await interleave(context.runs, {
        ours: () => watched(server, options, shape, seconds),
        floor: () => sample(server, shape, seconds),
      });
      const rest = { floorName: "the same disk, which nobody looks at", environment: context.environment };
      const values = (key: keyof Sample) => ({ ours: ours.map((each) => each[key]), floor: floor.map((each) => each[key]) });
      rows.push(row({ name: what, unit: "IOPS", ...values("iops"), ...rest }));
      rows.push(row({ name: what, unit: "server CPU µs/IO", ...values("cpu"), ...rest }));
    }
  }
  return rows;
}

export default {
  name: "ublk-stats",
  unit: "IOPS and server CPU µs per I/O",
  question: "what does it cost a disk that somebody watches it, with stats --watch and with the latency of each request?",
  where: "vm",
  async run(context) {
    await mountTracing();
    await using server = await startServer(ourNullServer({ mode: "copy", where: "--workers" }));
    context.say("ublk-stats: warming up");
    await warmUp(server, SHAPES);
    return await compare(context, server);
  },
} satisfies Benchmark;
