import { test } from "bun:test";
import { existsSync } from "node:fs";
import { release } from "node:os";

/**
 * `test` where the condition holds; elsewhere a variant that skips and says why in the test's name, where the
 * test runner finds the reason and prints it. A test must never vanish silently.
 *
 * ```ts
 * const t = requires(haveUblk(), "needs a kernel with ublk");
 * t("serves a disk", async () => { ... });
 * ```
 */
export function requires(condition: boolean, reason: string): typeof test {
  if (condition) return test;
  const skip = (name: string, body: () => void): void => test.skip(`${name} [skip: ${reason}]`, body);
  // Only the call itself is replaced: t.each and the like keep working, and are skipped as well.
  return new Proxy(test, {
    apply: (_target, _self, [name, body]: [string, () => void]) => skip(String(name), body),
    get: (target, key) => (key === "each" ? (rows: readonly unknown[]) => eachSkipped(rows, skip) : Reflect.get(target, key)),
  });
}

function eachSkipped(rows: readonly unknown[], skip: (name: string, body: () => void) => void) {
  return (name: string, body: () => void) => {
    for (const [index] of rows.entries()) skip(`${name} (row ${index})`, body);
  };
}

/** "6.18.44" of "6.18.44-cloud-amd64". */
export function kernelRelease(): string {
  return /^\d+(\.\d+)*/.exec(release())?.[0] ?? "0";
}

/** Compares as numbers: 6.16 is newer than 6.9. */
export function kernelAtLeast(wanted: string): boolean {
  const [have, want] = [kernelRelease(), wanted].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (const [index, number] of want.entries()) {
    const mine = have[index] ?? 0;
    if (mine !== number) return mine > number;
  }
  return true;
}

export function haveUblk(): boolean {
  return existsSync("/dev/ublk-control");
}

/** Whether this is the VM: a kernel that is ours alone, and emulated where the machine cannot do better. */
export function inVm(): boolean {
  return process.env.URING_UBLK_VM !== undefined;
}

/** True in `npm run test:full`: the long tests run too. */
export function isFullRun(): boolean {
  return process.env.URING_UBLK_FULL === "1";
}

/** A test that needs ublk. In the usual run only some of many like it: the others run in `npm run test:full`. */
export function ublkTest(usual: boolean): typeof test {
  if (!haveUblk()) return requires(false, "needs a kernel with ublk");
  return requires(usual || isFullRun(), "one of many like it: runs in test:full");
}

const LIBRARY_FOLDERS = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64", "/usr/lib"];

export function haveLiburing(): boolean {
  return LIBRARY_FOLDERS.some((folder) => existsSync(`${folder}/liburing.so.2`));
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
