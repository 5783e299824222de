import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { toolchain } from "./toolchain.ts";

export const FLOOR_PROGRAMS = ["echo_load", "echo_server", "ring_nop", "ring_read", "ublk_loop", "ublk_null"] as const;
export type FloorProgram = (typeof FLOOR_PROGRAMS)[number];

// Static, so that one binary runs on this machine and in every VM.
const FLAGS = ["-O2", "-static", "-pthread", "-std=gnu11", "-Wall", "-Wextra"];

/** What a program consists of besides its own file. */
const PARTS: Partial<Record<FloorProgram, readonly string[]>> = {
  ublk_loop: ["ublk_server"],
  ublk_null: ["ublk_server", "null_tags", "null_zero_copy", "null_batch"],
};

const sourcesOf = (program: FloorProgram): string[] => [program, ...(PARTS[program] ?? [])].map((name) => `${name}.c`);

/** Copies for the VM, which has no compiler: the project's disk carries this folder. */
const VM_FOLDER = join(import.meta.dir, "bin");

function sourceHash(program: FloorProgram): string {
  const hash = createHash("sha256").update(FLAGS.join(" "));
  const headers = readdirSync(import.meta.dir).filter((name) => name.endsWith(".h"));
  for (const name of [...sourcesOf(program), ...headers.sort()]) hash.update(readFileSync(join(import.meta.dir, name)));
  return hash.digest("hex").slice(0, 16);
}

async function compile(program: FloorProgram, output: string): Promise<void> {
  const { includes, library } = await toolchain();
  const draft = `${output}.${process.pid}`;
  const sources = sourcesOf(program).map((name) => join(import.meta.dir, name));
  const child = Bun.spawn(["gcc", ...FLAGS, ...includes, "-o", draft, ...sources, library], { stdin: "ignore", stderr: "pipe" });
  const [messages, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`cannot compile bench/floor/${program}.c:\n${messages}`);
  renameSync(draft, output);
}

/** The path of a floor program, compiled when its sources have changed since the last time. */
export async function floorProgram(program: FloorProgram): Promise<string> {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "uring-ublk", "floor");
  const output = join(folder, `${program}-${sourceHash(program)}`);
  if (!existsSync(output)) {
    mkdirSync(folder, { recursive: true });
    await compile(program, output);
  }
  return output;
}

/** Puts every floor program where {@link floorProgramInVm} finds it. */
export async function stageFloorForVm(): Promise<void> {
  mkdirSync(VM_FOLDER, { recursive: true });
  for (const program of FLOOR_PROGRAMS) copyFileSync(await floorProgram(program), join(VM_FOLDER, program));
}

/** The staged copy of a floor program. */
export function floorProgramInVm(program: FloorProgram): string {
  const path = join(VM_FOLDER, program);
  if (!existsSync(path)) throw new Error(`${path} is missing: start the benchmark from outside the VM`);
  return path;
}
