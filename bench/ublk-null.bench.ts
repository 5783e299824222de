import { runFio } from "./fio.ts";
import { type BenchContext, type Benchmark, interleave, type Row, row } from "./harness.ts";
import { type Server, startServer } from "./server.ts";

const SHAPES = [
  { pattern: "randread", depth: 1 },
  { pattern: "randread", depth: 32 },
  { pattern: "randwrite", depth: 32 },
] as const;

/** Bun's JIT threads work for the first seconds, on the server's account. */
const WARM_UP_SECONDS = 10;

/** Where our queue is served: a Worker blocks in enter, the calling thread goes through the event loop. The floor is the same. */
const SERVED = [
  { mode: "copy", where: "--workers", note: "" },
  { mode: "auto", where: "--workers", note: "" },
  { mode: "copy", where: "--calling-thread", note: ", calling thread" },
] as const;

type Served = (typeof SERVED)[number];
type Shape = (typeof SHAPES)[number];

interface Sample {
  readonly iops: number;
  readonly cpu: number;
}

function serverCommands({ mode, where }: Served, floorProgram: string): { ours: string[]; floor: string[] } {
  const options = ["--mode", mode, "--depth", "128", "--queues", "1", "--size", String(2 ** 30)];
  return {
    ours: [process.execPath, "examples/null/main.ts", ...options, where, "--quiet-ready"],
    floor: [floorProgram, ...options],
  };
}

async function sample(server: Server, shape: Shape, seconds: number): Promise<Sample> {
  const before = server.cpuMicroseconds();
  const { iops, ios } = await runFio({ device: server.announced, ...shape, seconds });
  return { iops, cpu: (server.cpuMicroseconds() - before) / ios };
}

/** Both servers live side by side and are measured in turn; the idle one costs nothing. */
async function runServers(context: BenchContext, served: Served): Promise<Row[]> {
  const commands = serverCommands(served, await context.floor("ublk_null"));
  await using ours = await startServer(commands.ours);
  await using floor = await startServer(commands.floor);
  for (const server of [ours, floor]) {
    await runFio({ device: server.announced, ...SHAPES[1], seconds: WARM_UP_SECONDS });
  }
  const rows: Row[] = [];
  for (const shape of SHAPES) {
    const name = `${served.mode} ${shape.pattern} qd ${shape.depth}${served.note}`;
    context.say(`ublk-null: ${name}`);
    const seconds = Math.max(1, Math.round(context.milliseconds / 1000));
    const runs = await interleave(context.runs, {
      ours: () => sample(ours, shape, seconds),
      floor: () => sample(floor, shape, seconds),
    });
    const values = (key: keyof Sample) => ({
      ours: runs.ours.map((s) => s[key]),
      floor: runs.floor.map((s) => s[key]),
    });
    const rest = { floorName: "C server (bench/floor/ublk_null.c)", environment: context.environment };
    rows.push(row({ name, unit: "IOPS", ...values("iops"), ...rest }));
    rows.push(row({ name, unit: "server CPU µs/IO", ...values("cpu"), ...rest }));
  }
  return rows;
}

export default {
  name: "ublk-null",
  unit: "IOPS and server CPU µs per I/O",
  question: "what does a block request cost through a TypeScript server, compared with one in C?",
  where: "vm",
  async run(context) {
    const rows: Row[] = [];
    for (const served of SERVED) rows.push(...(await runServers(context, served)));
    return rows;
  },
} satisfies Benchmark;
