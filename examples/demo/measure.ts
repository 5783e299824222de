import type { Story } from "./story.ts";

/** One row of the closing table. */
interface Measurement {
  readonly job: string;
  readonly iops: number;
  readonly bytesPerSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
}

interface Direction {
  readonly iops: number;
  readonly bw_bytes: number;
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
}

const SECONDS = 2;
const JOBS = [
  { pattern: "randread", depth: 1 },
  { pattern: "randread", depth: 32 },
  { pattern: "randwrite", depth: 1 },
  { pattern: "randwrite", depth: 32 },
] as const;

async function measure(story: Story, device: string, { pattern, depth }: (typeof JOBS)[number]): Promise<Measurement> {
  const output = await story.run([
    "fio",
    "--name=demo",
    `--filename=${device}`,
    `--rw=${pattern}`,
    `--iodepth=${depth}`,
    `--runtime=${SECONDS}`,
    "--time_based",
    "--bs=4k",
    "--direct=1",
    "--ioengine=libaio",
    "--norandommap",
    "--output-format=json",
  ]);
  // Warnings may stand in front of the JSON text.
  const [job] = (JSON.parse(output.slice(output.indexOf("{"))) as { jobs: { read: Direction; write: Direction }[] }).jobs;
  const { iops, bw_bytes, clat_ns } = pattern === "randread" ? job!.read : job!.write;
  const percentile = (name: string): number => (clat_ns.percentile?.[name] ?? Number.NaN) / 1000;
  return {
    job: `${pattern}, depth ${depth}`,
    iops,
    bytesPerSecond: bw_bytes,
    p50: percentile("50.000000"),
    p99: percentile("99.000000"),
  };
}

/** Measures the disk with fio, 4 KiB at a time. What it writes destroys what is on the disk. */
export async function measureAll(story: Story, device: string): Promise<Measurement[]> {
  const rows: Measurement[] = [];
  for (const job of JOBS) rows.push(await measure(story, device, job));
  return rows;
}

/** The measurements for people. */
export function tableOf(rows: readonly Measurement[]): string {
  const line = (first: string, ...rest: string[]): string => first.padEnd(20) + rest.map((text) => text.padStart(10)).join("");
  const lines = rows.map(({ job, iops, bytesPerSecond, p50, p99 }) =>
    line(job, iops.toFixed(0), (bytesPerSecond / 1e6).toFixed(1), `${p50.toFixed(0)} µs`, `${p99.toFixed(0)} µs`),
  );
  return [line("fio, 4 KiB, direct", "IOPS", "MB/s", "p50", "p99"), ...lines].join("\n");
}
