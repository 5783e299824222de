import { type ByOp, type Histogram, latencyOp, percentile, totalOf, upTo } from "./histogram.ts";

const SHARES = { p50: 0.5, p90: 0.9, p99: 0.99, max: 1 } as const;
const WIDTH = 50;

function valuesOf(histogram: Histogram): Record<keyof typeof SHARES, number> {
  const values = Object.entries(SHARES).map(([name, share]) => [name, percentile(histogram, share)]);
  return Object.fromEntries(values) as Record<keyof typeof SHARES, number>;
}

/** For programs: by operation, in microseconds. */
export function latencyJson(ops: ByOp): unknown {
  const entries = [...ops].map(([op, histogram]) => {
    const buckets = [...histogram].map(([bucket, requests]) => ({ upToMicroseconds: upTo(bucket), requests }));
    return [latencyOp(op), { requests: totalOf(histogram), ...valuesOf(histogram), buckets }];
  });
  return Object.fromEntries(entries);
}

/** Time in words of the caller's; what it rounds to nothing is nanoseconds. */
export type TimeText = (microseconds: number) => string;

const atMost = (microseconds: number, time: TimeText): string =>
  `<= ${microseconds < 1 ? `${Math.round(microseconds * 1000)} ns` : time(microseconds)}`;

/** A bar for each bucket from the first to the last one. */
function bars(histogram: Histogram, time: TimeText): string[] {
  const [first, last] = [Math.min(...histogram.keys()), Math.max(...histogram.keys())];
  const most = Math.max(...histogram.values());
  return Array.from({ length: last - first + 1 }, (_, at) => {
    const requests = histogram.get(first + at) ?? 0;
    const bar = "#".repeat(Math.ceil((requests / most) * WIDTH));
    return `  ${atMost(upTo(first + at), time).padEnd(10)}${String(requests).padStart(10)}  ${bar}`.trimEnd();
  });
}

/** For people: each operation's percentiles in a line, and its histogram. */
export function latencyText(path: string, ops: ByOp, time: TimeText): string {
  const parts = [...ops].map(([op, histogram]) => {
    const values = Object.entries(valuesOf(histogram)).map(([name, value]) => `${name} ${atMost(value, time)}`);
    const head = `${path} ${latencyOp(op)}: ${totalOf(histogram)} requests, ${values.join(", ")}`;
    return `${[head, ...bars(histogram, time)].join("\n")}\n`;
  });
  return parts.join("\n");
}
