/** The kernels of test/vm, oldest first. */
export const ALL_KERNELS: readonly string[] = ["6.12", "6.16", "6.18", "7.0", "7.1", "7.2", "7.3"];

/** The oldest kernel we care for, and the one all facts were measured on. */
const USUAL_KERNELS: readonly string[] = ["6.12", "7.2"];

export const STEPS = ["lint", "typecheck", "package", "docs", "host", "vm"] as const;
export type StepName = (typeof STEPS)[number];

/** Full: all kernels, and the long tests too (URING_UBLK_FULL=1). Chosen: every file on the kernels asked for by name. */
export type RunKind = "usual" | "chosen" | "full";

export interface TestOptions {
  readonly steps: readonly StepName[];
  readonly kernels: readonly string[];
  readonly run: RunKind;
  /** Only test files whose path contains one of these; all where there is none. */
  readonly filters: readonly string[];
  /** How many VMs run at a time, if the user says so. */
  readonly vms: number | undefined;
}

export const USAGE = `usage: npm test -- [options]
  --only STEP      only this step (may be repeated): ${STEPS.join(", ")}
  --kernel K       only this kernel in the VM (may be repeated): ${ALL_KERNELS.join(", ")}
  --filter TEXT    only test files whose path contains TEXT (may be repeated; no lint, no typecheck)
  --vms N          this many VMs at a time (default: one a processor, 4 GiB of memory each, at most 4)
  --full           all kernels and the long tests (npm run test:full)`;

const VALUED = ["--only", "--kernel", "--filter", "--vms"];

/** Throws an Error with one line for the user. */
export function parseOptions(args: readonly string[]): TestOptions {
  const steps: StepName[] = [];
  const kernels: string[] = [];
  const filters: string[] = [];
  let full = false;
  let vms: number | undefined;
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = args[i]!.split("=", 2) as [string, string | undefined];
    if (name === "--full") {
      full = true;
      continue;
    }
    if (!VALUED.includes(name)) throw new Error(`unknown option ${name}`);
    const value = inline ?? args[++i];
    if (value === undefined) throw new Error(`${name} needs a value`);
    if (name === "--filter") filters.push(value);
    if (name === "--vms") vms = Number(oneOf(name, value, ["1", "2", "3", "4"]));
    if (name === "--kernel") kernels.push(oneOf(name, value, ALL_KERNELS));
    if (name === "--only") steps.push(oneOf(name, value, STEPS));
  }
  const testSteps = STEPS.filter((step) => filters.length === 0 || (step !== "lint" && step !== "typecheck"));
  return {
    steps: steps.length > 0 ? steps : testSteps,
    run: full ? "full" : kernels.length > 0 ? "chosen" : "usual",
    kernels: kernels.length > 0 ? kernels : full ? ALL_KERNELS : USUAL_KERNELS,
    filters,
    vms,
  };
}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`${option} ${value}: must be one of ${allowed.join(", ")}`);
  return found;
}
