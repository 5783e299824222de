/** A step of the program that shares memory with a disk. `at` counts from the first of the files, which lie one behind the other. */
export type SharingStep =
  | { do: "read"; at: number; offset: number; length: number }
  | { do: "write"; at: number; offset: number; length: number; fill: number }
  /** Writes and reads it into the memory behind until there is a file; answers how often, and how often that was wrong. */
  | { do: "churn"; at: number; offset: number; length: number; until: string };

/** What a step answered: bytes, or the code of its error. */
export interface SharingResult {
  bytes?: number;
  code?: string;
  first?: number;
  last?: number;
  /** All bytes are the same. */
  same?: boolean;
  times?: number;
  wrong?: number;
}

const PROGRAM = new URL("./sharing-program.ts", import.meta.url).pathname;
const LIMIT_MS = 170_000;

/** Runs steps on a disk from another process, with O_DIRECT, in memory that it has mapped and in its own behind that. */
export async function sharingClient(
  path: string,
  maps: readonly { path: string; size: number }[],
  steps: readonly SharingStep[],
): Promise<SharingResult[]> {
  const files = maps.map(({ path: file, size }) => ({ path: file, size }));
  const child = Bun.spawn([process.execPath, PROGRAM, path, JSON.stringify(files), JSON.stringify(steps)], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const [output, errors, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  clearTimeout(timer);
  if (status !== 0) throw new Error(`the client ended with status ${status}: ${errors}`);
  return JSON.parse(output) as SharingResult[];
}
