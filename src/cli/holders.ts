import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Who uses a block device or one of its partitions, in words; empty when nobody is found. */
export function holdersOf(path: string): string[] {
  const one = new RegExp(`^${path}(p\\d+)?( \\(deleted\\))?$`);
  return [...mountsOf(one), ...processesWith(one)];
}

function mountsOf(device: RegExp): string[] {
  const places = new Set<string>();
  for (const line of lines("/proc/self/mountinfo")) {
    const [before, after] = line.split(" - ");
    if (after !== undefined && device.test(after.split(" ")[1]!)) places.add(before!.split(" ")[4]!);
  }
  return [...places].map((place) => `mounted on ${place}`);
}

function processesWith(device: RegExp): string[] {
  const found: string[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const open = readdirSync(`/proc/${entry}/fd`).some((fd) => device.test(readlinkSync(`/proc/${entry}/fd/${fd}`)));
      if (open) found.push(`open in process ${entry} (${readFileSync(`/proc/${entry}/comm`, "utf8").trim()})`);
    } catch {
      // The process ended while we looked, or is not ours to look at.
    }
  }
  return found;
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}
