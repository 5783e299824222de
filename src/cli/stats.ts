import { readFileSync } from "node:fs";
import { deviceIds } from "../ublk/nodes.ts";
import type { CommandLine } from "./command-line.ts";
import { type DiskStat, parseStat, since } from "./disk-stat.ts";
import type { Latencies } from "./latency/latencies.ts";
import type { Output } from "./output.ts";
import { type Row, statsJson, statsText } from "./stats-view.ts";

/** All disks that there are at a moment. */
interface Look {
  readonly at: number;
  readonly disks: ReadonlyMap<number, DiskStat>;
}

const CLEAR = "\u001b[H\u001b[2J\u001b[3J";
/** How long `--latency` alone counts, in seconds. */
const LATENCY_SECONDS = 5;

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
function between(before: Look, now: Look, latencies: Latencies | undefined): Row[] {
  const seconds = (now.at - before.at) / 1000;
  const counted = latencies?.since([...now.disks.keys()]);
  return [...now.disks].map(([id, stat]) => {
    const earlier = before.disks.get(id);
    return { id, seconds, stat: earlier === undefined ? stat : since(earlier, stat), latency: counted?.get(id) };
  });
}

const totals = (now: Look): Row[] => [...now.disks].map(([id, stat]) => ({ id, seconds: undefined, stat }));

/** For how long each look is; undefined where there are totals. */
function secondsOf(line: CommandLine): number | undefined {
  const standard = line.flag("--watch") ? 1 : line.flag("--latency") ? LATENCY_SECONDS : undefined;
  return line.number("--interval") ?? standard;
}

/** `uring-ublk stats`. */
export async function stats(line: CommandLine, output: Output): Promise<number> {
  const ids = (): readonly number[] => (line.ids.length > 0 ? line.ids : deviceIds());
  const first = lookAt(ids());
  const [only] = line.ids;
  if (only !== undefined && first.disks.size === 0) throw new Error(`there is no disk ${only}; uring-ublk list shows what there is`);
  const seconds = secondsOf(line);
  if (seconds === undefined) {
    show(totals(first), line, output);
    return 0;
  }
  using latencies = line.flag("--latency")
    ? (await import("./latency/latencies.ts")).Latencies.open([...first.disks.keys()], output)
    : undefined;
  await watch({ line, output, ids, seconds, latencies });
  return 0;
}

interface Watch {
  readonly line: CommandLine;
  readonly output: Output;
  readonly ids: () => readonly number[];
  readonly seconds: number;
  readonly latencies: Latencies | undefined;
}

async function watch({ line, output, ids, seconds, latencies }: Watch): Promise<void> {
  const again = line.flag("--watch");
  const most = again ? (line.number("--count") ?? Number.POSITIVE_INFINITY) : 1;
  let before = lookAt(ids());
  for (let done = 0; done < most; done++) {
    await Bun.sleep(seconds * 1000);
    const now = lookAt(ids());
    if (again && !line.json && process.stdout.isTTY) output.data(CLEAR);
    show(between(before, now, latencies), line, output);
    before = now;
  }
}

function show(rows: readonly Row[], line: CommandLine, output: Output): void {
  if (line.json) output.data(statsJson(rows, line.flag("--watch")));
  else if (rows.length === 0) output.message("there are no ublk disks");
  else output.data(statsText(rows));
}
