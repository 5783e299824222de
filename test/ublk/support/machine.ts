import { readdirSync, readFileSync } from "node:fs";

/** Ublk devices of this machine, by their nodes and in sysfs. */
export function devices(): string[] {
  const nodes = readdirSync("/dev").filter((name) => /^ublk[bc]\d+$/.test(name));
  const known = readdirSync("/sys/class/ublk-char");
  return [...new Set([...nodes, ...known])].sort();
}

/** Threads of JavaScriptCore's own, which come and go as it sees fit. */
const HELPERS = new Set(["JITWorker", "HeapHelper", "JSCWarmUp", "s Signal Sender", "mi-scavenger"]);

function threads(): string[] {
  const names: string[] = [];
  for (const id of readdirSync("/proc/self/task")) {
    try {
      names.push(readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim());
    } catch {
      // It ended meanwhile.
    }
  }
  return names.filter((name) => !HELPERS.has(name));
}

/** What this process holds: descriptors, mappings and threads. */
export function holdings(): { fds: number; maps: number; threads: number } {
  return {
    fds: readdirSync("/proc/self/fd").length,
    maps: readFileSync("/proc/self/maps", "utf8").trimEnd().split("\n").length,
    threads: threads().length,
  };
}

/** How long the threads of Workers that have ended may take to go, with what they hold, on a busy emulated machine. */
const LEAVING_MS = 20_000;

/** What this process holds when that has stayed the same for a second. */
async function settled(): Promise<ReturnType<typeof holdings>> {
  const end = performance.now() + LEAVING_MS;
  let seen = holdings();
  for (let same = 0; same < 10 && performance.now() < end; ) {
    await Bun.sleep(100);
    const now = holdings();
    same = now.fds === seen.fds && now.threads === seen.threads ? same + 1 : 0;
    seen = now;
  }
  return seen;
}

/** What this process holds before and after so many cycles, once a few have been gone through. */
export async function aroundCycles(cycle: () => Promise<void>, cycles: number, warmUp: number) {
  for (let i = 0; i < warmUp; i++) await cycle();
  Bun.gc(true);
  const before = await settled();
  for (let i = 0; i < cycles; i++) await cycle();
  Bun.gc(true);
  await Bun.sleep(200);
  const end = performance.now() + LEAVING_MS;
  let after = holdings();
  for (; performance.now() < end && (after.fds > before.fds || after.threads > before.threads); after = holdings()) await Bun.sleep(100);
  return { before, after };
}

const PF_KTHREAD = 0x0020_0000;

/** Processes that wait uninterruptibly: a client nobody answers. */
export function stuckProcesses(): string[] {
  const stuck: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
      const [state, , , , , , flags] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // Threads of the kernel (ext4lazyinit, jbd2 ...) sleep that way as a matter of course.
      if (state === "D" && (Number(flags) & PF_KTHREAD) === 0) stuck.push(`${pid} ${name}`);
    } catch {
      // It ended meanwhile.
    }
  }
  return stuck;
}

/** Waits until a condition holds. */
export async function until(condition: () => boolean, what: string, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`after ${limitMs} ms: not ${what}`);
    await Bun.sleep(20);
  }
}
