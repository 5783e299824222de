import { type DiskStat, meanOf, OPS, type OpCount } from "./disk-stat.ts";
import type { ByOp } from "./latency/histogram.ts";
import { latencyJson, latencyText } from "./latency/view.ts";
import { jsonText, sizeText, table } from "./output.ts";

/** One disk: its totals, or what came within some seconds. */
export interface Row {
  readonly id: number;
  /** The time that it is about; undefined for totals. */
  readonly seconds: number | undefined;
  readonly stat: DiskStat;
  /** How long requests took; undefined where nobody has asked. */
  readonly latency?: ByOp | undefined;
}

const round = (value: number, digits = 0): number => Number(value.toFixed(digits));

function opJson(count: OpCount, seconds: number | undefined): unknown {
  const { requests, bytes, ms } = count;
  const mean = meanOf(count);
  const rates = seconds === undefined ? {} : { iops: round(requests / seconds, 1), bytesPerSecond: round(bytes / seconds) };
  return { requests, bytes, ms, ...rates, meanMicroseconds: mean === undefined ? null : round(mean, 1) };
}

/** For programs: an array; while watching one line for each look. */
export function statsJson(rows: readonly Row[], lines: boolean): string {
  const disks = rows.map(({ id, seconds, stat, latency }) => ({
    id,
    path: `/dev/ublkb${id}`,
    seconds: seconds === undefined ? null : round(seconds, 3),
    open: stat.open,
    busyMs: stat.busyMs,
    ops: Object.fromEntries(OPS.map((op) => [op, opJson(stat.ops[op], seconds)])),
    ...(latency === undefined ? {} : { latency: latencyJson(latency) }),
  }));
  return lines ? `${JSON.stringify(disks)}\n` : jsonText(disks);
}

/** Time for people. */
export function timeText(microseconds: number): string {
  if (microseconds < 1000) return `${round(microseconds)} us`;
  return microseconds < 1_000_000 ? `${round(microseconds / 1000, 1)} ms` : `${round(microseconds / 1_000_000, 1)} s`;
}

function opCells(count: OpCount, seconds: number | undefined): string[] {
  const mean = meanOf(count);
  const latency = mean === undefined ? "-" : timeText(mean);
  if (seconds === undefined) return [String(count.requests), sizeText(count.bytes), latency];
  return [String(round(count.requests / seconds)), `${sizeText(round(count.bytes / seconds))}/s`, latency];
}

/** For people: a line for each kind of request that there was. */
export function statsText(rows: readonly Row[]): string {
  const rates = rows.some(({ seconds }) => seconds !== undefined);
  const head = ["DISK", "OP", rates ? "IOPS" : "REQUESTS", "BYTES", "MEAN", "OPEN", "BUSY"];
  const lines = rows.flatMap(({ id, seconds, stat }) => {
    const ops = OPS.filter((op) => op === "read" || op === "write" || stat.ops[op].requests > 0);
    const busy = seconds === undefined ? timeText(stat.busyMs * 1000) : `${Math.min(100, round(stat.busyMs / seconds / 10))} %`;
    return ops.map((op, at) => [
      at === 0 ? `/dev/ublkb${id}` : "",
      op,
      ...opCells(stat.ops[op], seconds),
      at === 0 ? String(stat.open) : "",
      at === 0 ? busy : "",
    ]);
  });
  const histograms = rows.map(({ id, latency }) => (latency === undefined ? "" : latencyText(`/dev/ublkb${id}`, latency, timeText)));
  return [table([head, ...lines]), ...histograms.filter((text) => text !== "")].join("\n");
}
