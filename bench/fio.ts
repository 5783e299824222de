/** One fio job against a block device, in the yardstick's shape: 4 KiB, direct, libaio, one job. */
export interface FioJob {
  readonly device: string;
  readonly pattern: "randread" | "randwrite" | "read" | "write";
  readonly depth: number;
  readonly seconds: number;
  readonly blockSize?: string;
}

export interface FioResult {
  readonly iops: number;
  readonly ios: number;
}

interface FioDirection {
  readonly iops: number;
  readonly total_ios: number;
}

interface FioOutput {
  readonly jobs: ReadonlyArray<{
    readonly error: number;
    readonly read: FioDirection;
    readonly write: FioDirection;
  }>;
}

function fioCommand({ device, pattern, depth, seconds, blockSize = "4k" }: FioJob): string[] {
  return [
    "fio",
    "--name=bench",
    `--filename=${device}`,
    `--rw=${pattern}`,
    `--bs=${blockSize}`,
    "--direct=1",
    "--ioengine=libaio",
    `--iodepth=${depth}`,
    "--time_based",
    `--runtime=${seconds}`,
    // The same offsets in every run, and no table of blocks already used: both are noise.
    "--randrepeat=1",
    "--norandommap",
    // Client and server each have a processor: where the scheduler puts them would decide how requests batch.
    "--cpus_allowed=0",
    "--output-format=json",
  ];
}

export async function runFio(job: FioJob): Promise<FioResult> {
  const child = Bun.spawn(fioCommand(job), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [output, messages, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const start = output.indexOf("{");
  if (status !== 0 || start < 0) throw new Error(`fio ended with status ${status}: ${messages}${output}`);
  // fio puts warnings in front of the JSON text.
  const result = (JSON.parse(output.slice(start)) as FioOutput).jobs[0]!;
  if (result.error !== 0) throw new Error(`fio met error ${result.error}: ${messages}`);
  const { iops, total_ios } = job.pattern.endsWith("read") ? result.read : result.write;
  return { iops, ios: total_ios };
}
