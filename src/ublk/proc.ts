/**
 * Looks into /proc and /sys. What is looked at may end meanwhile, or not be ours to look at: then there is nothing.
 *
 * @module
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What a file says; undefined where it cannot be read. */
export function text(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** The lines of a file. */
export const lines = (path: string): string[] => text(path)?.trimEnd().split("\n") ?? [];

/** The names in a folder. */
export function names(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Where a link points. */
export function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** Numbers of all processes. */
export const processes = (): string[] => names("/proc").filter((name) => /^\d+$/.test(name));

/** In `/proc/PID/stat`: field 22, counted from behind the process's name. */
const START_FIELD = 19;

/** When a process began, in ticks since the boot; undefined when it has ended. `read` reads a file as {@link text} does. */
export function startTicks(pid: number, read = text): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The name may hold anything, spaces and brackets included.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[START_FIELD];
}

/** The name of a process's program. */
export const commandOf = (pid: string): string => lines(`/proc/${pid}/comm`)[0] ?? "";

/** What a process has open, by descriptor. */
export const openOf = (pid: string): [fd: string, path: string][] =>
  names(`/proc/${pid}/fd`).map((fd) => [fd, link(`/proc/${pid}/fd/${fd}`)]);

/** What it has mapped; of memory that is no file's, the line that tells of it. */
export const mappedOf = (pid: string): string[] => lines(`/proc/${pid}/maps`).map((line) => line.slice(Math.max(0, line.indexOf("/"))));

/** The partitions of a block device, by name. */
export const partitionsOf = (disk: string): string[] => names(`/sys/block/${disk}`).filter((name) => name.startsWith(`${disk}p`));
