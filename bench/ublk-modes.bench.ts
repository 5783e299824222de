import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type FioJob, runFio } from "./fio.ts";
import { type BenchContext, type Benchmark, interleave, type Row, row } from "./harness.ts";
import { type Server, startServer } from "./server.ts";

const MODES = ["user-copy", "need-get-data", "zero-copy", "auto-buf-reg"] as const;
const SHAPES: readonly Pick<FioJob, "pattern" | "depth" | "blockSize">[] = [
  { pattern: "randread", depth: 32, blockSize: "4k" },
  { pattern: "randwrite", depth: 8, blockSize: "128k" },
];

interface Sample {
  readonly iops: number;
  readonly cpu: number;
}

/** A file that is all in the page cache, so that nothing but the processor takes time. */
function serverOf(mode: string, directory: string): Promise<Server> {
  const options = ["--mode", mode, "--depth", "128", "--create", "64m", "--direct", "no", "--workers", "--quiet-ready"];
  return startServer([process.execPath, "examples/loop/main.ts", join(directory, mode), ...options]);
}

async function sample(server: Server, shape: (typeof SHAPES)[number], seconds: number): Promise<Sample> {
  const before = server.cpuMicroseconds();
  const { iops, ios } = await runFio({ device: server.announced, ...shape, seconds });
  return { iops, cpu: (server.cpuMicroseconds() - before) / ios };
}

/** Two servers live side by side, one in copy mode, and are measured in turn. */
async function compare(context: BenchContext, mode: string, directory: string): Promise<Row[]> {
  await using ours = await serverOf(mode, directory);
  await using floor = await serverOf("copy", directory);
  const seconds = Math.max(1, Math.round(context.milliseconds / 1000));
  const rows: Row[] = [];
  for (const shape of SHAPES) {
    const name = `${mode} ${shape.pattern} ${shape.blockSize} qd ${shape.depth}`;
    context.say(`ublk-modes: ${name}`);
    for (const server of [ours, floor]) await sample(server, shape, 3 * seconds); // warms up
    const sides = { ours: () => sample(ours, shape, seconds), floor: () => sample(floor, shape, seconds) };
    const runs = await interleave(context.runs, sides);
    const values = (key: keyof Sample) => ({ ours: runs.ours.map((s) => s[key]), floor: runs.floor.map((s) => s[key]) });
    const rest = { floorName: "copy mode", environment: context.environment };
    rows.push(row({ name, unit: "IOPS", ...values("iops"), ...rest }));
    rows.push(row({ name, unit: "server CPU µs/IO", ...values("cpu"), ...rest }));
  }
  return rows;
}

export default {
  name: "ublk-modes",
  unit: "IOPS and server CPU µs per I/O",
  question: "what does a request of a cached file served as a disk cost in each data mode, compared with copy mode?",
  where: "vm",
  async run(context) {
    const directory = mkdtempSync(join(process.cwd(), ".bench-modes-"));
    const rows: Row[] = [];
    try {
      for (const mode of MODES) rows.push(...(await compare(context, mode, directory)));
    } finally {
      rmSync(directory, { recursive: true });
    }
    return rows;
  },
} satisfies Benchmark;
