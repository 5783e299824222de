import { readdirSync } from "node:fs";
import { join } from "node:path";
import { compiled } from "./compile.ts";
import { stage, staged } from "./staging.ts";

export const FLOOR_PROGRAMS = ["echo_load", "echo_server", "ring_nop", "ring_read", "ublk_loop", "ublk_null"] as const;
export type FloorProgram = (typeof FLOOR_PROGRAMS)[number];

// Static, so that one binary runs on this machine and in every VM.
const FLAGS = ["-O2", "-static", "-pthread", "-std=gnu11", "-Wall", "-Wextra"];

/** What a program consists of besides its own file. */
const PARTS: Partial<Record<FloorProgram, readonly string[]>> = {
  ublk_loop: ["ublk_server"],
  ublk_null: ["ublk_server", "null_tags", "null_zero_copy", "null_batch"],
};

const here = (name: string): string => join(import.meta.dir, name);

const sourcesOf = (program: FloorProgram): string[] => [program, ...(PARTS[program] ?? [])].map((name) => here(`${name}.c`));

function headers(): string[] {
  const names = readdirSync(import.meta.dir).filter((name) => name.endsWith(".h"));
  return names.sort().map(here);
}

/** The path of a floor program, compiled when its sources have changed since the last time. */
export async function floorProgram(program: FloorProgram): Promise<string> {
  return compiled({ name: program, flags: FLAGS, sources: sourcesOf(program), headers: headers() });
}

/** Puts every floor program where {@link floorProgramInVm} finds it. */
export async function stageFloorForVm(): Promise<void> {
  for (const program of FLOOR_PROGRAMS) stage(await floorProgram(program), program);
}

/** The staged copy of a floor program. */
export function floorProgramInVm(program: FloorProgram): string {
  return staged(program);
}
