import { blockPath } from "./nodes.ts";
import { commandOf, lines, link, mappedOf, names, openOf, partitionsOf, processes } from "./proc.ts";

/** Somebody who uses a block device or one of its partitions. */
export type Holder =
  | { readonly kind: "mount"; readonly device: string /** Where it is mounted. */; readonly path: string }
  | { readonly kind: "swap"; readonly device: string }
  | {
      readonly kind: "device";
      readonly device: string /** The block device on top of it: `dm-0`, `md0`, `loop3`. */;
      readonly name: string;
    }
  | { readonly kind: "process"; readonly device: string; readonly pid: number /** The program's name. */; readonly command: string };

/** A disk's nodes, and those of its partitions; a disk that is gone leaves its name with whoever has it open. */
interface Nodes {
  readonly id: number;
  readonly matches: (path: string) => boolean;
}

/**
 * Who uses `/dev/ublkbN` or one of its partitions: mounts of this mount namespace and of others, swap, the devices of device mapper, md and
 * loop on top of it, and processes that have it open or mapped. It reads /proc and /sys, waits for nobody, and works for any ublk device.
 *
 * Nobody who is found can be looked for again: they may come and go at any time. A process that only root may look into is not seen by others,
 * and neither is an open file that only a ring of io_uring keeps.
 *
 * @example
 * ```ts
 * import { serve } from "uring-ublk";
 * import { holdersInWords, holdersOf } from "uring-ublk/ublk";
 * await using disk = await serve({ size: "1 MiB", read: (buffer) => void buffer.fill(0) });
 * console.log(holdersInWords(holdersOf(disk.id))); // nobody, or udev, which looks at new disks for a moment
 * ```
 */
export function holdersOf(id: number): Holder[] {
  const name = new RegExp(`^${blockPath(id)}(p\\d+)?( \\(deleted\\))?$`);
  const nodes: Nodes = { id, matches: (path) => name.test(path) };
  return [...mountsOf(nodes), ...swapsOn(nodes), ...devicesOn(nodes), ...processesWith(nodes)];
}

/** Holders as a message names them. */
export function holdersInWords(holders: readonly Holder[]): string {
  return holders.map(inWords).join(", ");
}

function inWords(holder: Holder): string {
  switch (holder.kind) {
    case "mount":
      return `mounted on ${holder.path}`;
    case "swap":
      return `swap on ${holder.device}`;
    case "device":
      return `below the device ${holder.name}`;
    case "process":
      return `open in process ${holder.pid} (${holder.command})`;
  }
}

/** Whether a holder lets go by itself in a moment: udev looks at every disk that is new, or was written to. */
export function isPassing(holder: Holder): boolean {
  return holder.kind === "process" && /^\(?(systemd-)?udev/.test(holder.command);
}

function mountsOf(nodes: Nodes): Holder[] {
  const found = new Map<string, Holder>();
  for (const line of namespaces().flatMap((pid) => lines(`/proc/${pid}/mountinfo`))) {
    const [before = "", after = ""] = line.split(" - ");
    const device = plain(after.split(" ")[1] ?? "");
    const path = plain(before.split(" ")[4] ?? "");
    if (nodes.matches(device)) found.set(path, { kind: "mount", device, path });
  }
  return [...found.values()];
}

/** A process of each mount namespace, our own first. */
function namespaces(): string[] {
  const found = new Map<string, string>();
  for (const pid of ["self", ...processes()]) {
    const namespace = link(`/proc/${pid}/ns/mnt`);
    if (namespace !== "" && !found.has(namespace)) found.set(namespace, pid);
  }
  return [...found.values()];
}

function swapsOn(nodes: Nodes): Holder[] {
  return lines("/proc/swaps")
    .map((line) => plain(line.split(/\s/)[0] ?? ""))
    .filter((device) => nodes.matches(device))
    .map((device) => ({ kind: "swap", device }));
}

function devicesOn(nodes: Nodes): Holder[] {
  const disk = `ublkb${nodes.id}`;
  const folders = [["", disk], ...partitionsOf(disk).map((part) => [part, part])] as const;
  const stacked = folders.flatMap(([folder, part]) =>
    names(`/sys/block/${disk}/${folder}/holders`).map(
      (name): Holder => ({ kind: "device", device: `/dev/${part}`, name: `${name}${mapped(name)}` }),
    ),
  );
  const looped = names("/sys/block")
    .filter((name) => name.startsWith("loop"))
    .map((name) => ({ name, device: lines(`/sys/block/${name}/loop/backing_file`)[0] ?? "" }))
    .filter(({ device }) => nodes.matches(device))
    .map(({ name, device }): Holder => ({ kind: "device", device, name }));
  return [...stacked, ...looped];
}

/** What device mapper calls a device. */
function mapped(name: string): string {
  const [own = ""] = lines(`/sys/block/${name}/dm/name`);
  return own === "" ? "" : ` (${own})`;
}

function processesWith(nodes: Nodes): Holder[] {
  const found: Holder[] = [];
  for (const pid of processes()) {
    const open = openOf(pid).map(([, path]) => path);
    const device = open.find(nodes.matches) ?? mappedOf(pid).find(nodes.matches);
    if (device !== undefined) found.push({ kind: "process", device, pid: Number(pid), command: commandOf(pid) });
  }
  return found;
}

/** Paths in /proc have spaces and the like as octal numbers. */
const plain = (text: string): string => text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
