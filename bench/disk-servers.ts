import { runFio } from "./fio.ts";
import { type BenchContext, interleave, type Row, row } from "./harness.ts";
import { type Server, type ServerProgram, startServer } from "./server.ts";

/** One pattern and depth of fio's. */
export interface Shape {
  readonly pattern: "randread" | "randwrite";
  readonly depth: number;
}

/** Reads with one, some and many in flight. */
export const READS: readonly Shape[] = [1, 32, 128].map((depth) => ({ pattern: "randread", depth }));

/**
 * Every shape is warmed up, several times over: a branch that was never taken makes the JIT compile a function anew, and its threads work
 * on the server's account.
 */
const WARM_UP_ROUNDS = 3;
const WARM_UP_SECONDS = 3;

/** Two servers of the same disk. */
export interface Contest {
  /** The benchmark's name, for what is said meanwhile. */
  readonly benchmark: string;
  /** How they serve, in front of a row's shape. */
  readonly name: string;
  readonly ours: ServerProgram;
  readonly floor: ServerProgram;
  /** What the floor is, in the rows. */
  readonly floorName: string;
  /** What is asked of both. */
  readonly shapes: readonly Shape[];
}

/** One measured run of a server. */
export interface Sample {
  readonly iops: number;
  readonly cpu: number;
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

/** Runs one pattern against a server. */
export async function sample(server: Server, shape: Shape, seconds: number): Promise<Sample> {
  const count = shape.depth === 1 ? 1 : SLICES;
  const slices: Sample[] = [];
  while (slices.length < count) slices.push(await slice(server, shape, Math.max(1, Math.round(seconds / count))));
  return { iops: mean(slices.map(({ iops }) => iops)), cpu: mean(slices.map(({ cpu }) => cpu)) };
}

/** Runs each pattern until the JIT has settled. */
export async function warmUp(server: Server, shapes: readonly Shape[]): Promise<void> {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    for (const shape of shapes) await runFio({ device: server.announced, ...shape, seconds: WARM_UP_SECONDS });
  }
}

/** Two servers, ours and the floor's, live side by side and are measured in turn; the idle one costs nothing. */
export async function compareDiskServers(context: BenchContext, contest: Contest): Promise<Row[]> {
  const { benchmark, name, floorName, shapes } = contest;
  await using ours = await startServer(contest.ours);
  await using floor = await startServer(contest.floor);
  context.say(`${benchmark}: ${name}, warming up`);
  await warmUp(ours, shapes); // C is as fast at once as it will be
  const rows: Row[] = [];
  for (const shape of shapes) {
    const what = `${name} ${shape.pattern} qd ${shape.depth}`;
    context.say(`${benchmark}: ${what}`);
    const seconds = Math.max(1, Math.round(context.milliseconds / 1000));
    const runs = await interleave(context.runs, {
      ours: () => sample(ours, shape, seconds),
      floor: () => sample(floor, shape, seconds),
    });
    const values = (key: keyof Sample) => ({
      ours: runs.ours.map((s) => s[key]),
      floor: runs.floor.map((s) => s[key]),
    });
    const rest = { floorName, environment: context.environment };
    rows.push(row({ name: what, unit: "IOPS", ...values("iops"), ...rest }));
    rows.push(row({ name: what, unit: "server CPU µs/IO", ...values("cpu"), ...rest }));
  }
  return rows;
}
