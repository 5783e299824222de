import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where tracefs is to be mounted. A look at its old place, below debugfs, would mount it there. */
export const TRACEFS = "/sys/kernel/tracing";
const BTF = "/sys/kernel/btf/vmlinux";

/** What the kernel's own help for its tracing mentions where it can do it, and the option of the kernel's configuration. */
const NEEDS: readonly (readonly [what: string, text: string, option: string])[] = [
  ["probes on tracepoints", "t[:[<group>/][<event>]]", "CONFIG_FPROBE_EVENTS, Linux 6.5"],
  ["histograms of events", "hist:keys=", "CONFIG_HIST_TRIGGERS"],
  ["synthetic events", "synthetic_events", "CONFIG_SYNTH_EVENTS"],
];

/**
 * The folder of the kernel's tracing, with all that histograms of latencies need.
 *
 * @throws Error: what is missing, and how to get it.
 */
export function usableTracefs(folder: string = TRACEFS, btf = BTF, isRoot = process.getuid?.() === 0): string {
  if (!isRoot) throw new Error("--latency needs root: the kernel's tracing is for root alone; start it with sudo");
  if (!existsSync(join(folder, "README")))
    throw new Error(
      existsSync(folder)
        ? `--latency needs the kernel's tracing, which is not mounted: mount -t tracefs nodev ${folder}`
        : "--latency needs the kernel's tracing, and this kernel has none (CONFIG_FTRACE); the distribution's own kernel usually has it",
    );
  const help = readFileSync(join(folder, "README"), "utf8");
  const missing = NEEDS.filter(([, text]) => !help.includes(text)).map(([what, , option]) => `no ${what} (${option})`);
  if (!existsSync(btf)) missing.push("no description of its types (CONFIG_DEBUG_INFO_BTF)");
  if (missing.length > 0)
    throw new Error(`--latency needs what this kernel has not: ${missing.join(", ")}; Debian's kernels have it since 6.12`);
  return folder;
}
