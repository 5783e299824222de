import { readFileSync } from "node:fs";

/** Reads a file; undefined where it cannot be read. */
export type Read = (path: string) => string | undefined;

/** In `/proc/PID/stat`: field 22, counted from behind the process's name. */
const START_FIELD = 19;

const fromDisk: Read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

/** When a process began, in ticks since the boot; undefined: there is none. */
function startOf(pid: number, read: Read): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[START_FIELD];
}

/** The name of what this process sets up in the kernel's tracing: it says whose it is, also when the process's number is another's. */
export const ownName = (): string => `uring_ublk_${process.pid}_${startOf(process.pid, fromDisk)}`;

const NAME = /\buring_ublk_(\d+)_(\d+)/;

/** Whether the process that set it up is gone. */
function isLeft(name: string, read: Read): boolean {
  const [, pid, start] = NAME.exec(name) ?? [];
  return startOf(Number(pid), read) !== start;
}

/** Names of what processes have left behind that were killed hard, among names of instances and the lines of `dynamic_events`. */
export function leftAmong(texts: readonly string[], read: Read = fromDisk): string[] {
  const names = texts.map((text) => NAME.exec(text)?.[0]).filter((name) => name !== undefined);
  return [...new Set(names)].filter((name) => isLeft(name, read));
}
