/**
 * `npm test` and `npm run test:full`: every check of this repository, one after the other, with one line of totals
 * at the end. scripts/testing/ holds the parts.
 */
import { constants } from "node:os";
import { join } from "node:path";
import { hostFiles, inFolders, onNewestOnly, ringFiles, testFiles, VM_FOLDERS } from "./testing/files.ts";
import { runHostFiles, runTool } from "./testing/host.ts";
import { parseOptions, type StepName, type TestOptions, USAGE } from "./testing/options.ts";
import type { StepResult } from "./testing/outcome.ts";
import { orNothingRan, printStepEnd, report } from "./testing/report.ts";
import { killRunningFiles } from "./testing/run-file.ts";
import { runVmFiles } from "./testing/vm.ts";

interface Step {
  readonly name: StepName;
  readonly headline: string;
  run(): Promise<StepResult>;
}

function stepsOf(options: TestOptions, files: readonly string[]): Step[] {
  const chosen = files.filter((file) => file.includes(options.filter));
  const step = (name: StepName, headline: string, run: () => Promise<StepResult>): Step => ({
    name,
    headline,
    run,
  });
  const onHost = (name: StepName, headline: string, list: readonly string[]): Step[] =>
    // With a filter a step may well have nothing to do; without one that is a failure.
    options.filter !== "" && list.length === 0 ? [] : [step(name, headline, () => runHostFiles(name, list))];
  return [
    step("lint", "lint (biome)", () => runTool("lint", "biome", "check", "--error-on-warnings")),
    step("typecheck", "typecheck (tsc, type tests included)", () => runTool("typecheck", "tsc", "--noEmit")),
    ...onHost("package", "build and package", inFolders(chosen, ["package"])),
    ...onHost("docs", "documentation", inFolders(chosen, ["docs"])),
    ...onHost("host", "unit and io_uring tests on this machine", hostFiles(chosen)),
    ...options.kernels.flatMap((kernel) => vmSteps(options, chosen, kernel)),
  ];
}

/** A boot for each part: what one leaves of the machine's memory is not the other's business. */
function vmSteps(options: TestOptions, files: readonly string[], kernel: string): Step[] {
  const newest = kernel === options.kernels.at(-1);
  const ublk = inFolders(files, VM_FOLDERS).filter((file) => options.run !== "usual" || newest || !onNewestOnly(file));
  const ring = ringFiles(files, { kernel, newest, run: options.run });
  return [
    { what: "ublk", list: ublk.filter((file) => !file.startsWith("test/ublk/")) },
    { what: "ublk", list: ublk.filter((file) => file.startsWith("test/ublk/")) },
    { what: "io_uring", list: ring },
  ]
    .filter(({ list }) => list.length > 0)
    .map(({ what, list }) => ({
      name: "vm",
      headline: `${what} tests on Linux ${kernel}: ${folders(list)}`,
      run: () => runVmFiles(kernel, list, options.run === "full"),
    }));
}

const folders = (files: readonly string[]): string => [...new Set(files.map((file) => file.split("/")[1]))].join(", ");

/** A step that throws (no QEMU, no network for the kernel ...) is a failed step, not the end of the run. */
async function runStep(step: Step): Promise<StepResult> {
  console.log(`\n== ${step.headline}`);
  const started = performance.now();
  let result: StepResult;
  try {
    result = orNothingRan(await step.run());
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const outcome = { name: step.headline, status: "failed", message } as const;
    result = { step: step.name, where: step.name, outcomes: [outcome] };
  }
  printStepEnd(result, (performance.now() - started) / 1000);
  return result;
}

/** The VM ends with this process by itself. */
function endWithSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      killRunningFiles();
      process.exit(128 + constants.signals[signal]);
    });
  }
}

async function main(): Promise<number> {
  process.chdir(join(import.meta.dir, ".."));
  let options: TestOptions;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  endWithSignals();
  if (options.run === "full") process.env.URING_UBLK_FULL = "1";
  const started = performance.now();
  const results: StepResult[] = [];
  for (const step of stepsOf(options, testFiles("."))) {
    if (options.steps.includes(step.name)) results.push(await runStep(step));
  }
  return report(results, (performance.now() - started) / 1000);
}

process.exit(await main());
