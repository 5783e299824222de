import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { stageFloorForVm } from "./floor/build.ts";
import { stageKublkForVm } from "./floor/kublk.ts";
import type { Benchmark, Row } from "./harness.ts";
import type { BenchOptions } from "./options.ts";

const KERNEL = "7.2";
const VM_LIMIT_SECONDS = 4 * 3600; // counted time passes slowly, and more so beside other work

/** How the VM's processors ran, in words. */
const MODES = {
  kvm: "VM with hardware virtualisation",
  tcg: "emulated VM (swings with the host's load: a sanity check only)",
  icount: "emulated VM with counted time (ratios only)",
} as const;

/** Runs one benchmark in the VM, where bench/main.ts measures with --inside; its rows come back as a file in vm-out. */
export async function runInsideVm({ name, where, withKublk }: Benchmark, options: BenchOptions): Promise<Row[]> {
  const { runInVm } = await import("../test/vm/vm.ts");
  const { kernel = KERNEL } = options;
  await stageFloorForVm();
  if (withKublk && !options.quick) await stageKublkForVm(kernel);
  const path = `vm-out/bench/${name}.json`;
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  const inner = ["bun", "bench/main.ts", name, "--inside", "--json", path];
  if (options.quick) inner.push("--quick");
  // A run must outlast fio's own start and end many times over, also when emulated.
  const milliseconds = options.milliseconds ?? (where === "vm" ? (options.quick ? 2000 : 4000) : options.quick ? 300 : 1000);
  inner.push("--ms", String(milliseconds));
  // Counted time is one clock for both processors: what anything else does on the other one, while a server runs, would count as the server's.
  if (options.icount) inner.unshift("taskset", "-c", "0");
  const { status, output, accelerator } = await runInVm({
    kernel,
    command: inner,
    timeoutSeconds: VM_LIMIT_SECONDS,
    icount: options.icount,
  });
  if (status !== 0) throw new Error(`the VM's half ended with status ${status}:\n${output.slice(-4000)}`);
  const [result] = JSON.parse(readFileSync(path, "utf8")) as Array<{ rows: Row[] }>;
  return result!.rows.map((row) => ({
    ...row,
    environment: { ...row.environment, mode: MODES[accelerator] },
  }));
}
