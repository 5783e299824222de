/**
 * `npm test` and `npm run test:full`: every check of this repository, on this machine one after the other, in VMs side by side, with one
 * line of totals at the end. scripts/testing/ holds the parts.
 */
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { hostFiles, inFolders, ringFiles, runsOn, testFiles, VM_FOLDERS } from "./testing/files.ts";
import { runHostFiles, runTool } from "./testing/host.ts";
import { inLanes, vmsAtOnce } from "./testing/lanes.ts";
import { parseOptions, type StepName, type TestOptions, USAGE } from "./testing/options.ts";
import type { StepResult } from "./testing/outcome.ts";
import { orNothingRan, printHeadline, printStepEnd, report } from "./testing/report.ts";
import { killRunningFiles } from "./testing/run-file.ts";
import { runVmFiles } from "./testing/vm.ts";

interface Step {
  readonly name: StepName;
  readonly headline: string;
  run(): Promise<StepResult>;
}

function stepsOf(options: TestOptions, files: readonly string[]): Step[] {
  const chosen = options.filters.length === 0 ? files : files.filter((file) => options.filters.some((text) => file.includes(text)));
  const step = (name: StepName, headline: string, run: () => Promise<StepResult>): Step => ({
    name,
    headline,
    run,
  });
  const onHost = (name: StepName, headline: string, list: readonly string[]): Step[] =>
    // With a filter a step may well have nothing to do; without one that is a failure.
    options.filters.length > 0 && list.length === 0 ? [] : [step(name, headline, () => runHostFiles(name, list))];
  return [
    step("lint", "lint (biome)", () => runTool("lint", "biome", "check", "--error-on-warnings")),
    step("typecheck", "typecheck (tsc, type tests included)", () => runTool("typecheck", "tsc", "--noEmit")),
    ...onHost("package", "build and package", inFolders(chosen, ["package"])),
    ...onHost("docs", "documentation", inFolders(chosen, ["docs"])),
    ...onHost("host", "unit and io_uring tests on this machine", hostFiles(chosen)),
    // The newest kernel has the most to do: begun last, it would run alone in the end.
    ...options.kernels.toReversed().flatMap((kernel) => vmSteps(options, chosen, kernel)),
  ];
}

/** A boot for each folder: what one leaves of the machine's memory is not the other's business, and two can run side by side. */
function vmSteps(options: TestOptions, files: readonly string[], kernel: string): Step[] {
  const newest = kernel === options.kernels.at(-1);
  const ublk = files.filter((file) => runsOn(file, { kernel, newest, run: options.run }));
  return [
    ...VM_FOLDERS.map((folder) => ({ what: "ublk", list: inFolders(ublk, [folder]) })),
    { what: "io_uring", list: ringFiles(files, { kernel, newest, run: options.run }) },
  ]
    .filter(({ list }) => list.length > 0)
    .map(({ what, list }) => ({
      name: "vm",
      headline: `${what} tests on Linux ${kernel}: ${dirname(list[0]!)}`,
      run: () => runVmFiles(kernel, list, options.run === "full"),
    }));
}

/** A step that throws (no QEMU, no network for the kernel ...) is a failed step, not the end of the run. */
async function runStep(step: Step): Promise<StepResult> {
  printHeadline(step.headline);
  const started = performance.now();
  let result: StepResult;
  try {
    result = orNothingRan(await step.run());
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const outcome = { name: step.headline, status: "failed", message } as const;
    result = { step: step.name, where: step.name, outcomes: [outcome] };
  }
  printStepEnd(step.headline, result, (performance.now() - started) / 1000);
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

const tasks = (steps: readonly Step[]) => steps.map((step) => () => runStep(step));

async function main(): Promise<number> {
  process.chdir(join(import.meta.dir, ".."));
  if (process.argv.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
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
  const steps = stepsOf(options, testFiles(".")).filter(({ name }) => options.steps.includes(name));
  const here = await inLanes(tasks(steps.filter(({ name }) => name !== "vm")), 1); // they load this machine as they need it
  const machines = await inLanes(tasks(steps.filter(({ name }) => name === "vm")), options.vms ?? vmsAtOnce());
  const results = [...here, ...machines];
  return report(results, (performance.now() - started) / 1000);
}

process.exit(await main());
