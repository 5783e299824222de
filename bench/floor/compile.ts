import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { toolchain } from "./toolchain.ts";

/** A program in C on liburing. */
export interface CProgram {
  readonly name: string;
  readonly flags: readonly string[];
  /** The paths of its files. */
  readonly sources: readonly string[];
  readonly headers: readonly string[];
}

function contentHash({ flags, sources, headers }: CProgram): string {
  const hash = createHash("sha256").update(flags.join(" "));
  for (const path of [...sources, ...headers]) hash.update(readFileSync(path));
  return hash.digest("hex").slice(0, 16);
}

async function compile({ name, flags, sources }: CProgram, output: string): Promise<void> {
  const { includes, library } = await toolchain();
  const draft = `${output}.${process.pid}`;
  const child = Bun.spawn(["gcc", ...flags, ...includes, "-o", draft, ...sources, library], { stdin: "ignore", stderr: "pipe" });
  const [messages, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`cannot compile ${name}:\n${messages}`);
  renameSync(draft, output);
}

/** The path of a program in the cache, compiled when its sources have changed since the last time. */
export async function compiled(program: CProgram): Promise<string> {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "uring-ublk", "floor");
  const output = join(folder, `${program.name}-${contentHash(program)}`);
  if (!existsSync(output)) {
    mkdirSync(folder, { recursive: true });
    await compile(program, output);
  }
  return output;
}
