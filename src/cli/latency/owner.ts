import { startTicks, text } from "../../ublk/proc.ts";

/** Reads a file; undefined where it cannot be read. */
export type Read = (path: string) => string | undefined;

/** The name of what this process sets up in the kernel's tracing: it says whose it is, also when the process's number is another's. */
export const ownName = (): string => `uring_ublk_${process.pid}_${startTicks(process.pid)}`;

const NAME = /\buring_ublk_(\d+)_(\d+)/;

/** Whether the process that set it up is gone. */
function isLeft(name: string, read: Read): boolean {
  const [, pid, start] = NAME.exec(name) ?? [];
  return startTicks(Number(pid), read) !== start;
}

/** Names of what processes have left behind that were killed hard, among names of instances and the lines of `dynamic_events`. */
export function leftAmong(texts: readonly string[], read: Read = text): string[] {
  const names = texts.map((text) => NAME.exec(text)?.[0]).filter((name) => name !== undefined);
  return [...new Set(names)].filter((name) => isLeft(name, read));
}
