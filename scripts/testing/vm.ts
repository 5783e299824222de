import { readdirSync } from "node:fs";
import { cacheDirectory } from "../../test/vm/cache.ts";
import { buildForVms } from "./built.ts";
import type { FileResult, StepResult, TestOutcome } from "./outcome.ts";
import { type Boot, bootAndRun } from "./vm-boot.ts";

/** After this many boots without an end the rest is reported as not run: something is wrong with the kernel. */
const BOOTS_MAX = 5;

/** The VM is told to be quiet, because its output is our machine-readable one: a long silence needs an explanation. */
function announceFirstRun(kernel: string): void {
  const cache = readdirSync(cacheDirectory());
  const have = (prefix: string): boolean => cache.some((name) => name.startsWith(prefix));
  if (have("root-") && have(`kernel-${kernel}-`)) return;
  console.log(`   (downloading Linux ${kernel} and building the VM's disks; only once on a machine, some minutes)`);
}

function failure(name: string, message: string): TestOutcome {
  return { name, status: "failed", message };
}

function outcomesOf(result: FileResult): TestOutcome[] {
  return result.outcomes.map((outcome) => ({ ...outcome, name: `${result.file}: ${outcome.name}` }));
}

/** The kernel's own complaints are a test result too: a WARN or a hung task is a bug of ours or of the kernel's. */
function kernelOutcome(kernel: string, warnings: readonly string[]): TestOutcome {
  const name = `kernel ${kernel} logs no warning`;
  return warnings.length === 0 ? { name, status: "passed" } : failure(name, warnings.join("\n"));
}

/**
 * Runs the files in the VM. When the VM dies or becomes unfit half-way (a hang that not even SIGKILL ends), the file
 * at fault fails and the files not yet run get a fresh boot.
 */
export async function runVmFiles(kernel: string, files: readonly string[], full: boolean): Promise<StepResult> {
  announceFirstRun(kernel);
  await buildForVms();
  const outcomes: TestOutcome[] = [];
  const warnings: string[] = [];
  let left = files;
  for (let count = 0; left.length > 0 && count < BOOTS_MAX; count++) {
    const { results, unfinished, problem, kernelWarnings }: Boot = await bootAndRun(kernel, left, full);
    warnings.push(...kernelWarnings);
    outcomes.push(...results.flatMap(outcomesOf));
    const done = new Set(results.map((result) => result.file));
    if (unfinished !== undefined) {
      outcomes.push(failure(unfinished, problem ?? "the VM ended while this file was running"));
      done.add(unfinished);
    } else if (problem !== undefined && done.size === 0) {
      outcomes.push(failure(`boot of ${kernel}`, problem));
      break; // Nothing ran at all: another boot would end the same way.
    }
    left = left.filter((file) => !done.has(file));
  }
  if (outcomes.length > 0) outcomes.push(kernelOutcome(kernel, warnings));
  for (const file of left) outcomes.push(failure(file, "not run: the VM ended before it"));
  return { step: `vm ${kernel}`, where: `VM ${kernel}`, outcomes };
}
