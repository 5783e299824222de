/** A step of the client program. */
export type Step =
  | { do: "read"; offset: number; length: number }
  | { do: "write"; offset: number; length: number; fill: number; fua?: boolean }
  | { do: "discard"; offset: number; length: number }
  | { do: "zero"; offset: number; length: number; punch?: boolean }
  | { do: "flush" | "size" | "block-size" | "read-only" };

/** What a step answered: bytes, or the code of its error. */
export interface Result {
  bytes?: number;
  code?: string;
  hash?: string;
  first?: number;
  last?: number;
}

const PROGRAM = new URL("./client-program.ts", import.meta.url).pathname;
const LIMIT_MS = 60_000;

/** Runs steps on a block device from another process, with O_DIRECT. */
export async function client(path: string, steps: Step[], access: "read-write" | "read-only" = "read-write"): Promise<Result[]> {
  const child = Bun.spawn([process.execPath, PROGRAM, path, JSON.stringify(steps), access], { stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const [output, errors, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  clearTimeout(timer);
  if (status !== 0) throw new Error(`the client ended with status ${status}: ${errors}`);
  return JSON.parse(output) as Result[];
}
