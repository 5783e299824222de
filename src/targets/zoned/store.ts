import { fstatSync, fsyncSync, ftruncateSync, readFileSync } from "node:fs";
import { SystemError, sys } from "../../ffi/index.ts";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from "../../uring/index.ts";
import { discard, type LockedFile, openLocked, refuse } from "../files/locked-file.ts";
import type { FileWish } from "../files/options.ts";
import type { ZonedPlan } from "./options.ts";
import { type TableShape, tableBytes, ZoneTable } from "./table.ts";
import { stateMemory, Zones } from "./zones.ts";

const EINVAL = -22;
const ENOENT = -2;
const SECTOR = 512;

/** What the serving threads of a zoned disk share. */
export interface ZonedShared {
  readonly plan: ZonedPlan;
  /** The data. */
  readonly fd: number;
  /** The table of the zones. */
  readonly tableFd: number;
  /** Their states. */
  readonly states: SharedArrayBuffer;
}

/** Opens or makes the files, or their like in memory, and finds where the zones are. Whatever fails leaves nothing behind. */
export async function openStore(plan: ZonedPlan): Promise<ZonedShared> {
  return plan.path === undefined ? inMemory(plan) : await inFiles(plan, plan.path);
}

function inMemory(plan: ZonedPlan): ZonedShared {
  const fds: number[] = [];
  const memory = (name: string, bytes: number): number => {
    const fd = sys.memfdCreate(name);
    fds.push(fd);
    ftruncateSync(fd, bytes);
    return fd;
  };
  try {
    const fd = memory("zoned", plan.size);
    return begin(plan, fd, memory("zones", tableBytes(plan.size / plan.zoneSize)), true);
  } catch (error) {
    fds.forEach(sys.close);
    throw error;
  }
}

async function inFiles(plan: ZonedPlan, path: string): Promise<ZonedShared> {
  const wish = (name: string, create: number): FileWish => ({
    target: "zoned",
    option: "path",
    path: name,
    create,
    readOnly: false,
    direct: false,
    blockSize: plan.blockSize,
  });
  const tableWish = wish(`${path}.zones`, tableBytes(plan.size / plan.zoneSize));
  const dataWish = wish(path, plan.size);
  const files: LockedFile[] = [];
  try {
    // The table first: data without one is somebody else's.
    const table = await openLocked(tableWish);
    files.push(table);
    const data = await openLocked(dataWish);
    files.push(data);
    const untouched = fstatSync(data.fd).blocks === 0;
    if (table.made && !untouched)
      throw refuse(
        dataWish,
        EINVAL,
        `it is there, but not '${tableWish.path}', which says where its zones are; bring that back, or remove it`,
      );
    if (data.made && !table.made && fstatSync(table.fd).blocks > 0)
      throw refuse(tableWish, ENOENT, `it is there, but not the data that it belongs to, '${path}'; bring that back, or remove it`);
    return begin(plan, data.fd, table.fd, untouched);
  } catch (error) {
    for (const file of files.reverse()) discard(file);
    throw error;
  }
}

/** `untouched`: nothing was ever written to the data. */
function begin(plan: ZonedPlan, fd: number, tableFd: number, untouched: boolean): ZonedShared {
  const zones = plan.size / plan.zoneSize;
  const table = new ZoneTable(tableFd, zones);
  try {
    const shape: TableShape = pick(plan);
    const found = table.shape;
    if (found !== undefined) checkShape(plan, found, shape);
    else if (!untouched) throw new TypeError(`zoned: path is '${plan.path}'; its table, with .zones behind the name, is of something else`);
    else table.describe(shape);
    catchUp(plan, fd, tableFd, table);
    const states = stateMemory(zones);
    new Zones(plan, states, table).load();
    return { plan, fd, tableFd, states };
  } finally {
    table.dispose();
  }
}

const pick = ({ size, zoneSize, capacity, conventional, blockSize }: TableShape): TableShape => ({
  size,
  zoneSize,
  capacity,
  conventional,
  blockSize,
});

function checkShape({ path }: ZonedPlan, found: TableShape, wanted: TableShape): void {
  const options = {
    size: "size",
    zoneSize: "zoneSize",
    capacity: "zoneCapacity",
    conventional: "conventional",
    blockSize: "blockSize",
  } as const;
  for (const [name, option] of Object.entries(options) as [keyof TableShape, string][])
    if (found[name] !== wanted[name])
      throw new RangeError(
        `zoned: ${option} is ${wanted[name]}, and '${path}' was made with ${found[name]}; give the same, or another path`,
      );
}

// After another boot only what was flushed counts. Behind the write pointers there may be what a server that was killed had begun to write.
function catchUp(plan: ZonedPlan, fd: number, tableFd: number, table: ZoneTable): void {
  const { capacity, conventional, path, zoneSize } = plan;
  const boot = path === undefined ? "" : readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  if (path !== undefined && table.boot !== boot) table.live.set(table.durable);
  for (let zone = conventional; path !== undefined && zone < table.live.length; zone++) {
    const written = table.live[zone]! * SECTOR;
    if (written < capacity) punch(plan, fd, zone * zoneSize + written, zoneSize - written);
  }
  table.boot = boot;
  if (path !== undefined) fsyncSync(tableFd);
}

function punch({ path }: ZonedPlan, fd: number, from: number, length: number): void {
  try {
    sys.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, length);
  } catch (cause) {
    const { errno = EINVAL } = cause as SystemError;
    const hint = "zones are emptied by punching holes, and its file system cannot; choose another place, such as ext4, XFS or tmpfs";
    throw new SystemError({ syscall: "zoned: path", subject: path ?? "memory", errno, hint, cause });
  }
}

/** Closes the files of a disk that is gone. All that was written is durable then. */
export function closeStore({ plan, fd, tableFd }: ZonedShared): void {
  try {
    if (plan.path === undefined) return;
    const table = new ZoneTable(tableFd, plan.size / plan.zoneSize);
    try {
      fsyncSync(fd);
      table.durable.set(table.live);
      fsyncSync(tableFd);
    } finally {
      table.dispose();
    }
  } finally {
    sys.close(fd);
    sys.close(tableFd);
  }
}
