import { join } from "node:path";

const { URING_UBLK_BUILT } = process.env;
/** The program itself. */
export const PROGRAM = URING_UBLK_BUILT === undefined ? join(import.meta.dir, "../../src/cli/main.ts") : join(URING_UBLK_BUILT, "cli.js");

/** How a run of the command ended. */
export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the `uring-ublk` command, from the sources or as it is built. */
export async function cli(...words: string[]): Promise<CliResult> {
  const child = Bun.spawn([process.execPath, PROGRAM, ...words], {
    env: process.env, // as it is now: the standard is as it was at the start
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, stdout, stderr };
}
