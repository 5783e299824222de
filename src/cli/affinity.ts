import type { CommandLine } from "./command-line.ts";
import { jsonText, type Output, table } from "./output.ts";
import { known, openControl } from "./survey.ts";

/** CPUs as people write them: `0-3,7`. */
export function rangesOf(cpus: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const cpu of cpus) {
    const range = ranges.at(-1);
    if (range !== undefined && cpu === range[1] + 1) range[1] = cpu;
    else ranges.push([cpu, cpu]);
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(",");
}

/** `uring-ublk affinity`: which CPUs' requests arrive on which queue. */
export async function affinity(line: CommandLine, output: Output): Promise<number> {
  const id = line.ids[0]!;
  await using control = await openControl();
  const device = await known(control, id);
  const queues: { queue: number; cpus: number[] }[] = [];
  for (let queue = 0; queue < device.queues; queue++) queues.push({ queue, cpus: await control.getQueueAffinity(id, queue) });
  if (line.json) output.data(jsonText(queues));
  else output.data(table([["QUEUE", "CPUS"], ...queues.map(({ queue, cpus }) => [String(queue), rangesOf(cpus)])]));
  return 0;
}
