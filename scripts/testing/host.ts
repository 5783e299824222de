import { release } from "node:os";
import type { StepResult, TestOutcome } from "./outcome.ts";
import { printFileEnd } from "./report.ts";
import { HOST_LIMITS, runTestFile } from "./run-file.ts";

/** "host 6.18.44": without what the distribution appends. */
export const HOST = `host ${release().split("-")[0]}`;

const OUT_DIR = "vm-out/host";

/** A whole tool counts as one test: its exit status is its result, its output the message. */
export async function runTool(step: string, ...command: string[]): Promise<StepResult> {
  const child = Bun.spawn([process.execPath, "run", "--bun", ...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1" },
  });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  const outcome: TestOutcome =
    status === 0
      ? { name: command.join(" "), status: "passed" }
      : {
          name: command.join(" "),
          status: "failed",
          message: `${out}${err}`.trim() || `exit status ${status}`,
        };
  return { step, where: HOST, outcomes: [outcome] };
}

/** Runs test files one after the other on this machine, each in its own process. */
export async function runHostFiles(step: string, files: readonly string[]): Promise<StepResult> {
  const outcomes: TestOutcome[] = [];
  for (const file of files) {
    const result = await runTestFile(file, { outDir: OUT_DIR, ...HOST_LIMITS });
    printFileEnd(result);
    outcomes.push(...result.outcomes.map((outcome) => ({ ...outcome, name: `${file}: ${outcome.name}` })));
  }
  return { step, where: HOST, outcomes };
}
