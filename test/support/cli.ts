import { join } from "node:path";

const PROGRAM = join(import.meta.dir, "../../src/cli/main.ts");

/** How a run of the command ended. */
export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the `uring-ublk` command from the sources. */
export async function cli(...words: string[]): Promise<CliResult> {
  const child = Bun.spawn([process.execPath, PROGRAM, ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, stdout, stderr };
}
