/**
 * `npm run bench -- [names] [options]`: answers each benchmark's question with a table. Benchmarks that need ublk run
 * in the VM (bench/vm.ts); there this same program runs again with --inside.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { currentEnvironment } from "./environment.ts";
import { floorProgram, floorProgramInVm } from "./floor/build.ts";
import { kublkInVm } from "./floor/kublk.ts";
import type { BenchContext, Benchmark, Row } from "./harness.ts";
import { type BenchOptions, parseOptions, USAGE } from "./options.ts";
import { benchmarkTable } from "./table.ts";
import { runInsideVm } from "./vm.ts";

const knownNames = (): string[] =>
  readdirSync(import.meta.dir)
    .flatMap((name) => /^(.*)\.bench\.ts$/.exec(name)?.[1] ?? [])
    .sort();

/** Only the named files are loaded, when names are given: one that does not load must not stop the others. */
async function chooseBenchmarks(names: readonly string[]): Promise<Benchmark[]> {
  const known = knownNames();
  const stranger = names.find((name) => !known.includes(name));
  if (stranger !== undefined) throw new Error(`no benchmark "${stranger}"; there are ${known.join(", ")}`);
  return Promise.all(
    (names.length === 0 ? known : names).map(
      async (name) => ((await import(join(import.meta.dir, `${name}.bench.ts`))) as { default: Benchmark }).default,
    ),
  );
}

function contextFor(options: BenchOptions): BenchContext {
  return {
    runs: options.quick ? 3 : 5,
    milliseconds: options.milliseconds ?? (options.quick ? 200 : 1000),
    warmUpMilliseconds: options.quick ? 1500 : 4000,
    environment: currentEnvironment("host"),
    floor: async (program) => (options.inside ? floorProgramInVm(program) : floorProgram(program)),
    kublk: options.inside && !options.quick ? kublkInVm() : undefined,
    say: (message) => console.error(message),
  };
}

const asksForVm = ({ icount, kernel }: BenchOptions): boolean => icount || kernel !== undefined;

async function rowsOf(benchmark: Benchmark, options: BenchOptions): Promise<Row[]> {
  if (!options.inside && (benchmark.where === "vm" || (benchmark.where === "both" && asksForVm(options)))) {
    return runInsideVm(benchmark, options);
  }
  return benchmark.run(contextFor(options));
}

async function main(): Promise<number> {
  process.chdir(join(import.meta.dir, ".."));
  if (process.argv.includes("--help")) {
    console.log(`${USAGE}\n\nnames: ${knownNames().join(", ")}`);
    return 0;
  }
  let options: BenchOptions;
  let benchmarks: Benchmark[];
  try {
    options = parseOptions(process.argv.slice(2));
    benchmarks = await chooseBenchmarks(options.names);
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  const all: Array<Pick<Benchmark, "name" | "question" | "unit"> & { rows: Row[] }> = [];
  let failures = 0;
  for (const benchmark of benchmarks) {
    try {
      const rows = await rowsOf(benchmark, options);
      const { name, question, unit } = benchmark;
      all.push({ name, question, unit, rows });
      if (!options.inside) console.log(`\n${benchmarkTable(benchmark, rows)}`);
    } catch (error) {
      failures++;
      console.error(`\n${benchmark.name} failed: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify(all, null, 2)}\n`);
  }
  return failures > 0 ? 1 : 0;
}

process.exit(await main());
