/**
 * The inner half of the VM step (scripts/testing/vm.ts is the outer one): runs test files one by one inside the VM,
 * each in its own process with a time limit, and leaves a clean machine for the next file.
 *   bun scripts/test-in-vm.ts KERNEL FILE...
 */
import { builtEnvironment } from "./testing/built.ts";
import { cleanUp } from "./testing/clean-up.ts";
import type { FileResult } from "./testing/outcome.ts";
import { progressLine } from "./testing/progress.ts";
import { runTestFile, VM_LIMITS } from "./testing/run-file.ts";

/** What a file leaves behind is its own failure, unless it had to be ended half-way. */
async function withLeftovers(result: FileResult): Promise<FileResult> {
  const { leftovers, stuck } = await cleanUp();
  const outcomes = [...result.outcomes];
  const failed = outcomes.some((outcome) => outcome.status === "failed");
  if (leftovers.length > 0 && !failed) {
    outcomes.push({ name: "(leaves nothing behind)", status: "failed", message: leftovers.join("\n") });
  }
  if (stuck.length > 0) {
    outcomes.push({ name: "(can be cleaned up)", status: "failed", message: stuck.join("\n") });
  }
  return { ...result, outcomes, ...(stuck.length > 0 || result.unkillable ? { unkillable: true } : {}) };
}

const [kernel, ...files] = process.argv.slice(2);
if (kernel === undefined || files.length === 0) {
  console.error("usage: bun scripts/test-in-vm.ts KERNEL FILE...");
  process.exit(2);
}
for (const file of files) {
  process.stdout.write(progressLine({ event: "start", file }));
  const result = await withLeftovers(
    await runTestFile(file, {
      outDir: `vm-out/vm-${kernel}`,
      env: builtEnvironment(file),
      ...VM_LIMITS,
    }),
  );
  process.stdout.write(progressLine({ event: "end", result }));
  // The outer half boots a fresh VM for the files that are left.
  if (result.unkillable) process.exit(0);
}
process.exit(0);
