import { readdirSync, statSync } from "node:fs";
import { O_RDWR, SystemError, sys } from "../ffi/index.ts";
import { UblkError } from "./error.ts";

/** The server's side of a device: `/dev/ublkcN`. */
export const charPath = (id: number): string => `/dev/ublkc${id}`;
/** The clients' side: `/dev/ublkbN`. */
export const blockPath = (id: number): string => `/dev/ublkb${id}`;

const POLL_MS = 5;
const ENOENT = -2;
const EEXIST = -17;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Opens a char device, waiting for a /dev that is filled a moment later. */
export async function openChar(id: number, limitMs: number, signal?: AbortSignal): Promise<number> {
  const until = performance.now() + limitMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return sys.open(charPath(id), O_RDWR);
    } catch (error) {
      const soon = error instanceof SystemError && ["ENOENT", "EACCES", "EBUSY"].includes(error.code);
      if (!soon || performance.now() > until) throw error;
      await sleep(POLL_MS);
    }
  }
}

/** Waits until the block device's node is there and can be opened. It is never opened here: that would be I/O on one's own disk. */
export async function blockNode(id: number, limitMs: number, signal?: AbortSignal): Promise<void> {
  const until = performance.now() + limitMs;
  for (;;) {
    signal?.throwIfAborted();
    const found = statSync(blockPath(id), { throwIfNoEntry: false });
    if (found?.isBlockDevice()) return;
    if (found !== undefined || performance.now() > until) {
      const hint =
        found === undefined
          ? "the kernel made the disk, but no node appeared: is devtmpfs or udev filling /dev?"
          : "something else stands in the node's place, most likely a file made by writing to the path while there was no disk: remove it";
      throw new UblkError({ command: "START_DEV", device: id, errno: found === undefined ? ENOENT : EEXIST, subject: blockPath(id), hint });
    }
    await sleep(POLL_MS);
  }
}

/** The ids of all ublk devices on this machine. */
export function deviceIds(): number[] {
  let names: string[];
  try {
    names = readdirSync("/sys/class/ublk-char");
  } catch {
    return [];
  }
  return names
    .map((name) => /^ublkc(\d+)$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}
