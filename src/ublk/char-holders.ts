import { charPath } from "./nodes.ts";
import { commandOf, lines, mappedOf, openOf, processes } from "./proc.ts";

/**
 * Who keeps a device's char device open, in words: by a descriptor, by a mapping, or in the file table of a ring. Only what the caller's
 * rights and namespaces let it see.
 */
export function charHolders(id: number): string[] {
  const path = charPath(id);
  return processes().flatMap((pid) => {
    const how = holds(pid, path);
    return how === undefined ? [] : [`process ${pid} (${commandOf(pid)}) ${how} ${path}`];
  });
}

function holds(pid: string, path: string): string | undefined {
  // The node may have been removed meanwhile.
  const isNode = (file: string): boolean => file === path || file === `${path} (deleted)`;
  const open = openOf(pid);
  const stopped = lines(`/proc/${pid}/status`).some((line) => /^State:\s+T/.test(line)) ? "is stopped and " : "";
  if (open.some(([, file]) => isNode(file))) return `${stopped}has open`;
  if (mappedOf(pid).some(isNode)) return `${stopped}has mapped`;
  const rings = open.filter(([, file]) => file === "anon_inode:[io_uring]");
  if (rings.some(([fd]) => tableOf(pid, fd).some(isNode))) return `${stopped}has in a ring`;
  return undefined;
}

/** The files that a ring has in its table, as its fdinfo lists them. */
const tableOf = (pid: string, fd: string): string[] =>
  lines(`/proc/${pid}/fdinfo/${fd}`).flatMap((line) => /^\s*\d+: (\S.*)$/.exec(line)?.[1]?.trim() ?? []);
