/**
 * Looks into /proc and /sys. What is looked at may end meanwhile, or not be ours to look at: then there is nothing.
 *
 * @module
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The lines of a file. */
export function lines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n");
  } catch {
    return [];
  }
}

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

/** The name of a process's program. */
export const commandOf = (pid: string): string => lines(`/proc/${pid}/comm`)[0] ?? "";

/** What a process has open, by descriptor. */
export const openOf = (pid: string): [fd: string, path: string][] =>
  names(`/proc/${pid}/fd`).map((fd) => [fd, link(`/proc/${pid}/fd/${fd}`)]);

/** What it has mapped; of memory that is no file's, the line that tells of it. */
export const mappedOf = (pid: string): string[] => lines(`/proc/${pid}/maps`).map((line) => line.slice(Math.max(0, line.indexOf("/"))));

/** The partitions of a block device, by name. */
export const partitionsOf = (disk: string): string[] => names(`/sys/block/${disk}`).filter((name) => name.startsWith(`${disk}p`));
