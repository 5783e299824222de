import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { charPath } from "./nodes.ts";

/**
 * Who keeps a device's char device open, in words: by a descriptor, by a mapping, or in the file table of a ring. Only what the caller's
 * rights and namespaces let it see.
 */
export function charHolders(id: number): string[] {
  const path = charPath(id);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .flatMap((pid) => {
      const how = holds(pid, path);
      return how === undefined ? [] : [`process ${pid} (${nameOf(pid)}) ${how} ${path}`];
    });
}

function holds(pid: number, path: string): string | undefined {
  const links = linksOf(pid);
  const stopped = /^State:\s+T/m.test(textOf(`/proc/${pid}/status`)) ? "is stopped and " : "";
  if (links.some(([, link]) => isNode(link, path))) return `${stopped}has open`;
  if (
    textOf(`/proc/${pid}/maps`)
      .split("\n")
      .some((line) => isNode(line.slice(line.indexOf("/")), path))
  )
    return `${stopped}has mapped`;
  const rings = links.filter(([, link]) => link === "anon_inode:[io_uring]");
  if (rings.some(([fd]) => tableOf(pid, fd).some((file) => isNode(file, path)))) return `${stopped}has in a ring`;
  return undefined;
}

// The node may have been removed meanwhile.
const isNode = (link: string, path: string): boolean => link === path || link === `${path} (deleted)`;

function linksOf(pid: number): [string, string][] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => [fd, linkOf(`/proc/${pid}/fd/${fd}`)]);
  } catch {
    return []; // it ended, or is not ours to look at
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** The files that a ring has in its table, as its fdinfo lists them. */
function tableOf(pid: number, fd: string): string[] {
  return [...textOf(`/proc/${pid}/fdinfo/${fd}`).matchAll(/^\s*\d+: (\S.*)$/gm)].map(([, file]) => file!.trim());
}

const nameOf = (pid: number): string => textOf(`/proc/${pid}/comm`).trim();

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
