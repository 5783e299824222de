import { readFileSync } from "node:fs";
import { deviceIds } from "../ublk/index.ts";
import type { CommandLine } from "./command-line.ts";
import { type DiskStat, parseStat, since } from "./disk-stat.ts";
import type { Output } from "./output.ts";
import { type Row, statsJson, statsText } from "./stats-view.ts";

/** All disks that there are at a moment. */
interface Look {
  readonly at: number;
  readonly disks: ReadonlyMap<number, DiskStat>;
}

const CLEAR = "\u001b[H\u001b[2J\u001b[3J";

function statOf(id: number): DiskStat | undefined {
  try {
    return parseStat(readFileSync(`/sys/block/ublkb${id}/stat`, "utf8"));
  } catch {
    return undefined; // a device without a disk, or one that has just gone
  }
}

function lookAt(ids: readonly number[]): Look {
  const disks = new Map<number, DiskStat>();
  for (const id of ids) {
    const stat = statOf(id);
    if (stat !== undefined) disks.set(id, stat);
  }
  return { at: performance.now(), disks };
}

/** What came to each disk between two looks; a disk that was not there before has all of it. */
function between(before: Look, now: Look): Row[] {
  const seconds = (now.at - before.at) / 1000;
  return [...now.disks].map(([id, stat]) => {
    const earlier = before.disks.get(id);
    return { id, seconds, stat: earlier === undefined ? stat : since(earlier, stat) };
  });
}

const totals = (now: Look): Row[] => [...now.disks].map(([id, stat]) => ({ id, seconds: undefined, stat }));

/** `uring-ublk stats`. */
export async function stats(line: CommandLine, output: Output): Promise<number> {
  const ids = (): readonly number[] => (line.ids.length > 0 ? line.ids : deviceIds());
  const watch = line.flag("--watch");
  const seconds = line.number("--interval") ?? (watch ? 1 : undefined);
  let before = lookAt(ids());
  const [only] = line.ids;
  if (only !== undefined && before.disks.size === 0) throw new Error(`there is no disk ${only}; uring-ublk list shows what there is`);
  if (seconds === undefined) {
    show(totals(before), line, output);
    return 0;
  }
  const most = watch ? (line.number("--count") ?? Number.POSITIVE_INFINITY) : 1;
  for (let done = 0; done < most; done++) {
    await Bun.sleep(seconds * 1000);
    const now = lookAt(ids());
    if (watch && !line.json && process.stdout.isTTY) output.data(CLEAR);
    show(between(before, now), line, output);
    before = now;
  }
  return 0;
}

function show(rows: readonly Row[], line: CommandLine, output: Output): void {
  if (line.json) output.data(statsJson(rows, line.flag("--watch")));
  else if (rows.length === 0) output.message("there are no ublk disks");
  else output.data(statsText(rows));
}
