import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import type { Environment } from "./harness.ts";

/** "Debian 12" does not matter for these numbers; the kernel, the CPU and Bun do. */
export function currentEnvironment(mode: string): Environment {
  const processors = cpus();
  return {
    kernel: release(),
    cpu: `${processors.length} x ${processors[0]?.model.trim() || cpuVendor()}`,
    bun: Bun.version,
    mode,
  };
}

function cpuVendor(): string {
  return /^vendor_id\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "unknown CPU";
}

export function describeEnvironment({ kernel, cpu, bun, mode }: Environment): string {
  return `${mode}, Linux ${kernel}, ${cpu}, Bun ${bun}`;
}
