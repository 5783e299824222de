import { type BenchContext, type Benchmark, floorNumbers, interleave, type Row, row } from "./harness.ts";
import { warmUpAsync } from "./loop.ts";
import { processors, type Server, startServer } from "./server.ts";

const CONNECTIONS = 64;
const BYTES = 64;
const PORT = /(?<=port )\d+(?=\s)/;

interface Sample {
  readonly messagesPerSecond: number;
  readonly serverNsPerMessage: number;
}

/** One run of the load generator (bench/floor/echo_load.c) against a server. */
async function load(program: string, server: Server, milliseconds: number): Promise<Sample> {
  const target = ["--port", server.announced, "--server", String(server.pid)];
  const shape = ["--connections", String(CONNECTIONS), "--bytes", String(BYTES), "--ms", String(Math.round(milliseconds))];
  const command = ["taskset", "-c", String(processors().client), program, ...target, ...shape];
  return floorNumbers(command, "messagesPerSecond", "serverNsPerMessage");
}

function rowsOf(floorName: string, ours: readonly Sample[], floor: readonly Sample[], context: BenchContext): Row[] {
  const { environment } = context;
  const name = `${CONNECTIONS} x ${BYTES} bytes`;
  const values = (key: keyof Sample) => ({ ours: ours.map((s) => s[key]), floor: floor.map((s) => s[key]) });
  return [
    row({ name, unit: "messages/s", floorName, ...values("messagesPerSecond"), environment }),
    row({ name, unit: "server CPU ns/message", floorName, ...values("serverNsPerMessage"), environment }),
  ];
}

export default {
  name: "echo",
  unit: "messages/s and server CPU ns per message",
  question: `what does a TCP echo of ${BYTES} bytes over ${CONNECTIONS} connections cost from TypeScript, from C, and with Bun.listen?`,
  where: "both",
  async run(context) {
    const [program, serverProgram] = [await context.floor("echo_load"), await context.floor("echo_server")];
    await using ours = await startServer({ command: [process.execPath, "bench/echo-server.ts"], announces: PORT });
    await using floor = await startServer({ command: [serverProgram], announces: PORT });
    await using bun = await startServer({ command: [process.execPath, "bench/echo-bun.ts"], announces: PORT });
    for (const server of [ours, floor, bun]) {
      await warmUpAsync(context, async (ms) => (await load(program, server, ms)).serverNsPerMessage);
    }
    context.say("echo: measuring");
    const one = (server: Server) => () => load(program, server, context.milliseconds);
    const runs = await interleave(context.runs, { ours: one(ours), floor: one(floor), bun: one(bun) });
    return [
      ...rowsOf("C with liburing (bench/floor/echo_server.c)", runs.ours, runs.floor, context),
      ...rowsOf("Bun.listen (bench/echo-bun.ts)", runs.ours, runs.bun, context),
    ];
  },
} satisfies Benchmark;
