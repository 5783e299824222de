/**
 * Histograms of latencies as the kernel counts them: a bucket holds what took more than 2^(N-1) and at most 2^N nanoseconds.
 *
 * @module
 */

/** Requests in each bucket, by its N. */
export type Histogram = ReadonlyMap<number, number>;

/** Histograms of a disk, by the kernel's number of the operation. */
export type ByOp = ReadonlyMap<number, Histogram>;

/** Those of every disk, by its device number. */
export type ByDevice = ReadonlyMap<number, ByOp>;

const LINE = /^\{ dev: +(\d+), op: +(\d+), lat: ~ 2\^(\d+) +\} hitcount: +(\d+)/gm;

/** Understands the kernel's file. */
export function parseHistograms(text: string): ByDevice {
  const devices = new Map<number, Map<number, Map<number, number>>>();
  for (const [, ...words] of text.matchAll(LINE)) {
    const [device, op, bucket, requests] = words.map(Number) as [number, number, number, number];
    const ops = devices.getOrInsertComputed(device, () => new Map<number, Map<number, number>>());
    ops.getOrInsertComputed(op, () => new Map<number, number>()).set(bucket, requests);
  }
  return devices;
}

/** Requests that the kernel had no room to remember. */
export const droppedIn = (text: string): number => Number(/Dropped: (\d+)/.exec(text)?.[1] ?? 0);

/** What has come since an earlier look. */
export function latencySince(before: ByOp | undefined, now: ByOp): ByOp {
  const rest = [...now].map(([op, buckets]): [number, Histogram] => {
    const earlier = before?.get(op);
    const left = [...buckets].map(([bucket, requests]): [number, number] => [bucket, requests - (earlier?.get(bucket) ?? 0)]);
    return [op, new Map(left.filter(([, requests]) => requests > 0).sort(([a], [b]) => a - b))];
  });
  return new Map(rest.filter(([, buckets]) => buckets.size > 0).sort(([a], [b]) => a - b));
}

/** How many requests there are in a histogram. */
export const totalOf = (histogram: Histogram): number => [...histogram.values()].reduce((sum, requests) => sum + requests, 0);

/** The upper end of a bucket, in microseconds. */
export const upTo = (bucket: number): number => 2 ** bucket / 1000;

/** The upper end, in microseconds, of the bucket that a share of all requests (0.99) does not exceed. */
export function percentile(histogram: Histogram, share: number): number {
  const enough = totalOf(histogram) * share;
  let sum = 0;
  for (const [bucket, requests] of histogram) {
    sum += requests;
    if (sum >= enough) return upTo(bucket);
  }
  return 0;
}

/** Operations of the block layer whose numbers have stayed the same. */
const NAMES: Readonly<Record<number, string>> = {
  0: "read",
  1: "write",
  2: "flush",
  3: "discard",
  5: "secure-erase",
  7: "zone-append",
  9: "write-zeroes",
};

/** The name of an operation, by the kernel's number. */
export const latencyOp = (op: number): string => NAMES[op] ?? `op-${op}`;
