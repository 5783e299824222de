import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = ".built";
const CONFIG = "tsconfig.built.json";

let building: Promise<void> | undefined;

/**
 * Builds the package for the tests in VMs, once per run. An emulated machine takes four times as long to load the sources, and every test
 * file, every program that it starts and every Worker loads them anew.
 */
export function buildForVms(): Promise<void> {
  building ??= build();
  return building;
}

async function build(): Promise<void> {
  const command = [process.execPath, "run", "--bun", "tsup", "--no-dts", "--out-dir", FOLDER];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`the package cannot be built for the VM:\n${out}${err}`);
}

const IMPORTS_SOURCES = /from "(\.\.\/)+src\/|^\/\/ runs on: the sources$/m;

/**
 * What a test file needs in its environment to find the built package by the package's name, and the programs that it starts as well. A file
 * that imports modules of the sources, or says that its helpers do, runs on the sources throughout: two copies of one module do not mix.
 */
export function builtEnvironment(file: string): Record<string, string> {
  if (!existsSync(FOLDER) || IMPORTS_SOURCES.test(readFileSync(file, "utf8"))) return {};
  return { BUN_OPTIONS: `--tsconfig-override=${join(process.cwd(), CONFIG)}`, URING_UBLK_BUILT: join(process.cwd(), FOLDER) };
}
