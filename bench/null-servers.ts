import { runFio } from "./fio.ts";
import { type BenchContext, interleave, type Row, row } from "./harness.ts";
import { type Server, startServer } from "./server.ts";

const SHAPES = [
  { pattern: "randread", depth: 1 },
  { pattern: "randread", depth: 32 },
  { pattern: "randwrite", depth: 32 },
] as const;

/**
 * Every shape is warmed up, several times over: a branch that was never taken makes the JIT compile a function anew, and its threads work
 * on the server's account.
 */
const WARM_UP_ROUNDS = 3;
const WARM_UP_SECONDS = 3;

type Shape = (typeof SHAPES)[number];

/** How our queue is served; the floor is the same for both. */
export interface Served {
  readonly mode: "copy" | "auto";
  /** A Worker blocks in enter, the calling thread goes through the event loop. */
  readonly where: "--workers" | "--calling-thread";
}

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

/**
 * Many requests at once settle into one of several ways to batch, which last as long as fio runs and differ by 15 % in CPU time: a run is
 * made of so many of fio's.
 */
const SLICES = 4;

async function slice(server: Server, shape: Shape, seconds: number): Promise<Sample> {
  const before = server.cpuMicroseconds();
  const { iops, ios } = await runFio({ device: server.announced, ...shape, seconds });
  return { iops, cpu: (server.cpuMicroseconds() - before) / ios };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

async function sample(server: Server, shape: Shape, seconds: number): Promise<Sample> {
  const count = shape.depth === 1 ? 1 : SLICES;
  const slices: Sample[] = [];
  while (slices.length < count) slices.push(await slice(server, shape, Math.max(1, Math.round(seconds / count))));
  return { iops: mean(slices.map(({ iops }) => iops)), cpu: mean(slices.map(({ cpu }) => cpu)) };
}

async function warmUp(server: Server): Promise<void> {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    for (const shape of SHAPES) await runFio({ device: server.announced, ...shape, seconds: WARM_UP_SECONDS });
  }
}

/** Two null servers, ours and the floor's, live side by side and are measured in turn; the idle one costs nothing. */
export async function compareNullServers(context: BenchContext, name: string, served: Served): Promise<Row[]> {
  const commands = serverCommands(served, await context.floor("ublk_null"));
  await using ours = await startServer(commands.ours);
  await using floor = await startServer(commands.floor);
  context.say(`${name}: ${served.mode}, warming up`);
  for (const server of [ours, floor]) await warmUp(server);
  const rows: Row[] = [];
  for (const shape of SHAPES) {
    const what = `${served.mode} ${shape.pattern} qd ${shape.depth}`;
    context.say(`${name}: ${what}`);
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
    rows.push(row({ name: what, unit: "IOPS", ...values("iops"), ...rest }));
    rows.push(row({ name: what, unit: "server CPU µs/IO", ...values("cpu"), ...rest }));
  }
  return rows;
}
