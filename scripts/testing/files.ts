import { readdirSync, readFileSync } from "node:fs";
import type { RunKind } from "./options.ts";

/** Folders of test/ whose tests need a kernel with ublk: they run in the VM. */
export const VM_FOLDERS: readonly string[] = ["ublk", "targets", "examples", "cli-vm"];

/** The folder whose tests need only a ring: they run on this machine's kernel, and in the VM on other kernels. */
const RING_FOLDER = "uring";

/** The oldest kernel we care for, the last one before batches, the one all facts were measured on, and the newest. */
const MAIN_KERNELS: readonly string[] = ["6.12", "6.18", "7.2", "7.3"];

/** Folders with a step of their own; test/vm is the VM itself. */
const OTHER_FOLDERS: readonly string[] = ["vm", "package", "docs"];

/** All *.test.ts files below test/, as paths from the repository's root, in a stable order. */
export function testFiles(root: string): string[] {
  return readdirSync(`${root}/test`, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .map((path) => `test/${path}`)
    .sort();
}

export function inFolders(files: readonly string[], folders: readonly string[]): string[] {
  return files.filter((file) => folders.includes(file.split("/")[1]!));
}

const USUAL_KERNELS = /^\/\/ usual kernels: (.*)$/m;

/**
 * Whether a file runs on a kernel of the VM: always where kernels were asked for by name. A file that takes long and hardly depends on
 * the kernel runs, in the usual run, on the newest of the usual kernels only, or on none; in the full run on the main ones.
 */
export function runsOn(file: string, { kernel, newest, run }: { kernel: string; newest: boolean; run: RunKind }): boolean {
  const usual = USUAL_KERNELS.exec(readFileSync(file, "utf8"))?.[1] ?? "all";
  if (run === "chosen" || usual === "all") return true;
  return run === "full" ? MAIN_KERNELS.includes(kernel) : usual === "the newest" && newest;
}

const ALSO_IN_VM = /^\/\/ usual kernels: this machine's, and the newest$/m;

/**
 * The ring tests for a kernel of the VM. In the usual run those that say so, on its newest kernel only: their subject is newer than most
 * machines' kernels.
 */
export function ringFiles(files: readonly string[], { kernel, newest, run }: { kernel: string; newest: boolean; run: RunKind }): string[] {
  const all = inFolders(files, [RING_FOLDER]);
  if (run === "chosen") return all;
  if (run === "full") return MAIN_KERNELS.includes(kernel) ? all : [];
  return newest ? all.filter((file) => ALSO_IN_VM.test(readFileSync(file, "utf8"))) : [];
}

/** What neither only the VM nor a step of its own takes runs on the host: a new folder is never forgotten. */
export function hostFiles(files: readonly string[]): string[] {
  return files.filter((file) => ![...VM_FOLDERS, ...OTHER_FOLDERS].includes(file.split("/")[1]!));
}
