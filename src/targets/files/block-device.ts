import { readdirSync, readFileSync, realpathSync, type Stats } from "node:fs";
import { block, type SystemError, sys } from "../../ffi/index.ts";
import { readState } from "../../ublk/index.ts";
import type { FileWish } from "./options.ts";

const EBUSY = -16;
const EDEADLK = -35;
const PUNCH_KEEP_SIZE = 3; // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
const PAGE = 4096;

type Refuse = (wish: FileWish, errno: number, hint: string) => SystemError;

/** `major:minor` as /proc and /sys write it, of a `dev_t` as stat(2) gives it. */
export function deviceNumber(rdev: number): string {
  const high = Math.floor(rdev / 2 ** 32);
  const low = rdev >>> 0;
  const major = ((low >>> 8) & 0xfff) + (high & 0xffff_f000);
  const minor = (low & 0xff) + ((low >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}

/** Where a block device is mounted, by /proc/self/mountinfo. */
export function mountPoints(number: string, mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): string[] {
  return mountinfo
    .split("\n")
    .map((line) => line.split(" "))
    .filter((fields) => fields[2] === number)
    .map((fields) => fields[4]!.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
}

/** Refuses a device that is mounted, and a disk that this very process serves. */
export function refuseUse(wish: FileWish, stats: Stats, refuse: Refuse): void {
  const mounted = mountPoints(deviceNumber(stats.rdev));
  if (mounted.length > 0) throw refuse(wish, EBUSY, `the device is mounted at ${mounted.join(", ")}; run \`umount ${mounted[0]}\` first`);
  const own = /^\/dev\/ublkb(\d+)/.exec(realpathSync(wish.path));
  if (own !== null && readState(Number(own[1]))?.pid === process.pid) {
    throw refuse(wish, EDEADLK, "this process serves that disk itself, and would wait for itself; serve it from another process");
  }
}

/** Refuses a file that the kernel's own loop driver serves: it takes no lock, and two caches of one file destroy it. */
export function refuseLoopFile(wish: FileWish, refuse: Refuse): void {
  const real = realpathSync(wish.path);
  for (const name of readdirSync("/sys/block")) {
    if (!/^loop\d/.test(name) || loopFile(name) !== real) continue;
    throw refuse(wish, EBUSY, `it is attached to /dev/${name}; run \`losetup -d /dev/${name}\` first`);
  }
}

function loopFile(name: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").trimEnd();
  } catch {
    return undefined; // nothing is attached
  }
}

/** Whether the driver refuses writes. */
export const isReadOnly = (fd: number): boolean => block.readOnly(fd);

/** Whether ranges can be given back: asked without touching a byte that anybody sees. */
export function canDiscard(fd: number, device: Stats | undefined, size: number): boolean {
  if (device !== undefined) return maxDiscard(deviceNumber(device.rdev)) > 0;
  try {
    // Behind the end of the file there is nothing to lose, and the size is kept.
    sys.fallocate(fd, PUNCH_KEEP_SIZE, (Math.ceil(size / PAGE) + 1) * PAGE, PAGE);
    return true;
  } catch {
    return false;
  }
}

function maxDiscard(number: string): number {
  // A partition's limits are those of its disk, one directory up.
  for (const queue of ["queue", "../queue"]) {
    try {
      return Number(readFileSync(`/sys/dev/block/${number}/${queue}/discard_max_bytes`, "utf8"));
    } catch {}
  }
  return 0;
}
