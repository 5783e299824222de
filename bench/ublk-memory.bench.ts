import { readFileSync } from "node:fs";
import { runFio } from "./fio.ts";
import { type BenchContext, type Benchmark, type Row, row } from "./harness.ts";
import { floorNullServer, NULL_FLOOR, ourNullServer, type Served } from "./null-servers.ts";
import { type Server, type ServerProgram, startServer } from "./server.ts";

/** After so many requests the memory is looked at: what grows with them shows in the difference. */
const MILESTONES = [100_000, 1_000_000, 2_000_000];
const LOAD_SECONDS = 5;

function residentMegabytes({ pid }: Server): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1];
  return (Number(kibibytes) * 1024) / 1e6;
}

/** Resident memory at each milestone, under reads of 4 KiB, 128 in flight. */
async function memoryOf(context: BenchContext, what: string, program: ServerProgram): Promise<number[]> {
  await using server = await startServer(program);
  const seen: number[] = [];
  let done = 0;
  for (const milestone of MILESTONES) {
    while (done < milestone) {
      done += (await runFio({ device: server.announced, pattern: "randread", depth: 128, seconds: LOAD_SECONDS })).ios;
    }
    seen.push(residentMegabytes(server));
    context.say(`ublk-memory: ${what}, ${done} I/Os: ${seen.at(-1)!.toFixed(1)} MB`);
  }
  return seen;
}

export default {
  name: "ublk-memory",
  unit: "MB",
  question: "how much memory does a server with one queue of depth 128 have, and does it grow with the requests?",
  where: "vm",
  async run(context): Promise<Row[]> {
    const served: Served = { mode: "copy", where: "--workers" };
    const ours = await memoryOf(context, "ours", ourNullServer(served));
    const floor = await memoryOf(context, "C", await floorNullServer(context, served));
    return MILESTONES.map((milestone, i) =>
      row({
        name: `after ${milestone / 1e6} million I/Os`,
        unit: "MB",
        floorName: NULL_FLOOR,
        ours: [ours[i]!],
        floor: [floor[i]!],
        environment: context.environment,
      }),
    );
  },
} satisfies Benchmark;
