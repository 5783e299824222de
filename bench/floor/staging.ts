import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Copies for the VM, which has no compiler: the project's disk carries this folder. */
const FOLDER = join(import.meta.dir, "bin");

/** Puts a program where {@link staged} finds it in the VM. */
export function stage(program: string, name: string): void {
  mkdirSync(FOLDER, { recursive: true });
  copyFileSync(program, join(FOLDER, name));
}

export function unstage(name: string): void {
  rmSync(join(FOLDER, name), { force: true });
}

/** The names of all staged programs. */
export function stagedNames(): string[] {
  return existsSync(FOLDER) ? readdirSync(FOLDER) : [];
}

/** The path of a staged program. */
export function staged(name: string): string {
  const path = join(FOLDER, name);
  if (!existsSync(path)) throw new Error(`${path} is missing: start the benchmark from outside the VM`);
  return path;
}
