import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

const CLASS = "/sys/class/ublk-char";
const COMMAND_LIMIT_MS = 30_000;

export interface CleanUpResult {
  /** What was found and removed. */
  readonly leftovers: readonly string[];
  /** What could not be removed. */
  readonly stuck: readonly string[];
}

function ublkDeviceIds(): number[] {
  if (!existsSync(CLASS)) return [];
  return readdirSync(CLASS).map((name) => Number(name.replace("ublkc", "")));
}

function ublkMounts(): string[] {
  return readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("/dev/ublkb"))
    .map((line) => line.split(" ")[1]!);
}

/** Processes that hold a ublk device open; the runner's own process never does. */
function holders(): Array<{ pid: number; name: string }> {
  const found: Array<{ pid: number; name: string }> = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const open = readdirSync(`/proc/${entry}/fd`).map((fd) => readlinkSync(`/proc/${entry}/fd/${fd}`));
      if (!open.some((path) => /^\/dev\/ublk[bc]\d/.test(path))) continue;
      const name = readFileSync(`/proc/${entry}/comm`, "utf8").trim();
      // udev looks at every new disk for a moment, and is nobody's leftover.
      if (!name.includes("udev")) found.push({ pid: Number(entry), name });
    } catch {
      // The process ended while we looked.
    }
  }
  return found;
}

/** Runs a command that may hang in the kernel; false when it failed or had to be left behind. */
async function succeeds(...cmd: string[]): Promise<boolean> {
  const child = Bun.spawn({ cmd, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  const status = await Promise.race([child.exited, Bun.sleep(COMMAND_LIMIT_MS)]);
  if (status === undefined) {
    child.kill("SIGKILL");
    child.unref();
  }
  return status === 0;
}

/**
 * Brings the VM back to "no ublk device" after a test file. The order matters: with the server dead the kernel fails
 * all I/O, and nothing can hang on it any more (STOP_DEV first would wait for a server that no longer answers).
 */
export async function cleanUp(): Promise<CleanUpResult> {
  const leftovers: string[] = [];
  const stuck: string[] = [];
  for (const { pid, name } of holders()) {
    leftovers.push(`process ${pid} (${name}) still holds a ublk device`);
    process.kill(pid, "SIGKILL");
  }
  for (const folder of ublkMounts()) {
    leftovers.push(`${folder} is still mounted`);
    if (!(await succeeds("umount", "-l", folder))) stuck.push(`cannot unmount ${folder}`);
  }
  for (const id of ublkDeviceIds()) {
    leftovers.push(`device ${id} was not deleted`);
    await succeeds(process.execPath, "src/cli/main.ts", "del", String(id), "--force");
  }
  for (const id of ublkDeviceIds()) stuck.push(`cannot delete device ${id}`);
  return { leftovers, stuck };
}
