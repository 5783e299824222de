import { runInVm } from "../../test/vm/vm.ts";
import type { FileResult } from "./outcome.ts";
import { type Progress, parseProgress, progressReader } from "./progress.ts";
import { printFileEnd } from "./report.ts";
import { fileTimeoutMs, VM_LIMITS } from "./run-file.ts";

/** From the start of QEMU to the first test; the building of disks before it is not limited here. */
const BOOT_LIMIT_MS = 120_000;
/** What a file may take beyond its own limit, to be killed and cleaned up after. */
const CLEAN_UP_LIMIT_MS = 120_000;
const RUN_LIMIT_SECONDS = 40 * 60;
const FULL_RUN_LIMIT_SECONDS = 3 * 3600;

/**
 * Kernel messages that no test may cause. Others of the same level are what tests ask for: a server that answers EIO
 * makes the kernel log an I/O error.
 */
const SEVERE =
  /WARNING: |BUG: |Oops|Kernel panic|blocked for more than|stall|lockup|general protection|corruption|refcount_t|unable to handle/i;

/** What one life of the VM brought. */
export interface Boot {
  readonly results: readonly FileResult[];
  /** The file that was running when the VM ended, if it ended too early. */
  readonly unfinished: string | undefined;
  readonly problem: string | undefined;
  readonly kernelWarnings: readonly string[];
}

/**
 * Ends a VM that makes no progress. Inside it every file has its own limit, so silence beyond that means that the
 * kernel itself hangs, and waiting for the whole run's limit would cost hours.
 */
class Watchdog {
  readonly #stalled = new AbortController();
  #timer: Timer | undefined;

  get signal(): AbortSignal {
    return this.#stalled.signal;
  }

  expectProgressWithin(ms: number): void {
    this.stop();
    this.#timer = setTimeout(() => this.#stalled.abort(new Error(`no progress for ${ms / 1000} s`)), ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Boots once and runs the files inside, as far as the VM gets. */
export async function bootAndRun(kernel: string, files: readonly string[], full: boolean): Promise<Boot> {
  const watchdog = new Watchdog();
  const onProgress = (progress: Progress): void => {
    if (progress.event === "end") printFileEnd(progress.result, `${kernel} `);
    const next = progress.event === "start" ? fileTimeoutMs(progress.file, VM_LIMITS) + CLEAN_UP_LIMIT_MS : BOOT_LIMIT_MS;
    watchdog.expectProgressWithin(next);
  };
  const read = progressReader(onProgress);
  let output = "";
  const settle = (problem: string | undefined, warnings: readonly string[]): Boot => ({
    ...parseProgress(output),
    problem: problem === undefined ? undefined : `${problem}\n${output.slice(-2000)}`,
    kernelWarnings: warnings.filter((text) => SEVERE.test(text)),
  });
  try {
    const result = await runInVm({
      kernel,
      command: ["bun", "scripts/test-in-vm.ts", kernel, ...files],
      env: full ? { URING_UBLK_FULL: "1" } : {},
      timeoutSeconds: full ? FULL_RUN_LIMIT_SECONDS : RUN_LIMIT_SECONDS,
      signal: watchdog.signal,
      onOutput: (text) => {
        output += text;
        read(text);
      },
      quiet: true,
    });
    if (result.timedOut) return settle(`the VM's time was up\n${result.blockedTasks}`, result.kernelWarnings);
    const problem = result.status === 0 ? undefined : `the VM's command ended with status ${result.status}`;
    return settle(problem, result.kernelWarnings);
  } catch (error) {
    if (watchdog.signal.aborted) return settle(`the VM was ended: ${(watchdog.signal.reason as Error).message}`, []);
    // A VM that died under a test is that test's failure; one that never got so far is nobody's.
    if (parseProgress(output).unfinished === undefined) throw error;
    return settle(error instanceof Error ? error.message : String(error), []);
  } finally {
    watchdog.stop();
  }
}
