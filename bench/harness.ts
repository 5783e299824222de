import type { FloorProgram } from "./floor/build.ts";
import type { Kublk } from "./floor/kublk.ts";

/** Where the numbers come from: without it they mean nothing. */
export interface Environment {
  readonly kernel: string;
  readonly cpu: string;
  readonly bun: string;
  /** "host", "VM (kvm)", "VM (emulated)", "VM (icount)". */
  readonly mode: string;
}

/** One line of the result: our number beside the floor's. */
export interface Row {
  readonly name: string;
  readonly ours: number;
  readonly floor: number;
  readonly floorName: string;
  /** ours / floor. Whether above or below 1 is good depends on the unit: see {@link higherIsBetter}. */
  readonly ratio: number;
  readonly unit: string;
  readonly runs: number;
  /** (maximum - minimum) / median of the runs. */
  readonly spread: { readonly ours: number; readonly floor: number };
  readonly environment: Environment;
}

/** What a benchmark gets from the harness. */
export interface BenchContext {
  /** Measured runs of each side; the median counts. */
  readonly runs: number;
  /** How long one run should take. */
  readonly milliseconds: number;
  /** How long a loop in this process runs before the first one, so that all tiers of the JIT are done with it. */
  readonly warmUpMilliseconds: number;
  readonly environment: Environment;
  /** The path of a floor program, ready to run here. */
  floor(program: FloorProgram): Promise<string>;
  /** The kernel's selftest server: in full runs of a benchmark that asks for it, on machines that can have it. */
  readonly kublk: Kublk | undefined;
  /** One line on stderr, so that a long benchmark shows that it lives. */
  say(message: string): void;
}

/** A file bench/NAME.bench.ts exports one as its default: one question, answered by a few rows. */
export interface Benchmark {
  readonly name: string;
  readonly unit: string;
  /** The question in plain words; printed above the table. */
  readonly question: string;
  /** "vm" for what needs ublk; "both" runs here unless --icount or --kernel asks for the VM. */
  readonly where: "host" | "vm" | "both";
  /** A full run in the VM compares with the kernel's selftest server, too. */
  readonly withKublk?: true;
  run(context: BenchContext): Promise<Row[]>;
}

export function higherIsBetter(unit: string): boolean {
  return unit === "IOPS" || unit === "messages/s";
}

/** Our speed as a share of the floor's: above 1 we are the faster, whatever the unit. */
export function relativeSpeed({ ratio, unit }: Pick<Row, "ratio" | "unit">): number {
  return higherIsBetter(unit) ? ratio : 1 / ratio;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function spreadOf(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

interface RowInput {
  readonly name: string;
  readonly unit: string;
  readonly floorName: string;
  readonly ours: readonly number[];
  readonly floor: readonly number[];
  readonly environment: Environment;
}

/** Makes a row of the measured runs of both sides. */
export function row({ name, unit, floorName, ours, floor, environment }: RowInput): Row {
  return {
    name,
    ours: median(ours),
    floor: median(floor),
    floorName,
    ratio: median(ours) / median(floor),
    unit,
    runs: ours.length,
    spread: { ours: spreadOf(ours), floor: spreadOf(floor) },
    environment,
  };
}

type Sides<Side extends string, T> = { readonly [Name in Side]: () => T | Promise<T> };

/**
 * Runs all sides in turn, so that whatever disturbs the machine disturbs all alike. The first turn of each warms up
 * (JIT, caches) and does not count; the order within a turn alternates.
 */
export async function interleave<Side extends string, T>(runs: number, sides: Sides<Side, T>): Promise<Record<Side, T[]>> {
  const names = Object.keys(sides) as Side[];
  const results = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<Side, T[]>;
  for (let turn = 0; turn <= runs; turn++) {
    for (const side of turn % 2 === 0 ? names : names.toReversed()) {
      const value = await sides[side]();
      if (turn > 0) results[side].push(value);
    }
  }
  return results;
}

/** Runs a floor program that prints one JSON object, and returns the numbers under `keys`. */
export async function floorNumbers<Key extends string>(command: readonly string[], ...keys: Key[]): Promise<Record<Key, number>> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const [output, status] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  if (status !== 0) throw new Error(`${command.join(" ")} ended with status ${status}`);
  const values = JSON.parse(output) as Record<Key, number>;
  const missing = keys.find((key) => typeof values[key] !== "number");
  if (missing !== undefined) throw new Error(`${command.join(" ")} printed no "${missing}": ${output}`);
  return values;
}
