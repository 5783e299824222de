import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ByDevice, droppedIn, parseHistograms } from "./histogram.ts";
import { ownName } from "./owner.ts";
import { leftNames, type Places, placesOf, removeAll, removeInstance } from "./traced.ts";

/** Fields of the kernel's request, which its own description of types finds. */
const DEVICE = "dev=rq->q->disk->part0->bd_dev:u32";
const OPERATION = "op=rq->cmd_flags:b8@0/32";
const BUFFER_KIB = "4"; // of each processor: nothing is written there
const LEAST_ENTRIES = 2048;
const MOST_ENTRIES = 2 ** 17; // the kernel's limit
/** A line for the kernel is a page at most. */
const MOST_DISKS = 128;

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** A disk's number in the kernel; undefined: it has gone. */
export function deviceNumber(id: number): number | undefined {
  try {
    const [major, minor] = readFileSync(`/sys/block/ublkb${id}/dev`, "utf8").split(":").map(Number) as [number, number];
    return major * 2 ** 20 + minor;
  } catch {
    return undefined;
  }
}

/** How many requests a disk can have: those of its scheduler, too, and a flush for each queue. */
function requestsOf(id: number): number {
  try {
    const queues = readdirSync(`/sys/block/ublkb${id}/mq`).length;
    return queues * (2 * Number(readFileSync(`/sys/block/ublkb${id}/queue/nr_requests`, "utf8")) + 1);
  } catch {
    return 0;
  }
}

function removeLeft(folder: string, name: string): void {
  try {
    removeAll(folder, name);
  } catch {
    // Somebody looks at it, or removes it as well. It is in nobody's way, and the doctor tells of it.
  }
}

/**
 * Has the kernel count how long each request of some disks takes, from its start in the driver to its end. Probes on two tracepoints remember each
 * request by its address, so that there is one entry for each that a disk can have; a synthetic event has its latency, and a histogram counts those.
 * Triggers are in a tracing instance of its own.
 *
 * It is removed when this process ends, unless that is killed hard; then by the next session.
 */
export class LatencySession implements Disposable {
  readonly #folder: string;
  readonly #name = ownName();
  readonly #places: Places;
  #numbers: readonly number[] = [];
  readonly #ends: (() => void)[] = [];

  /** `folder` is where tracefs is mounted. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#places = placesOf(folder, this.#name);
    for (const left of leftNames(folder)) removeLeft(folder, left);
    this.#listen();
    try {
      this.#makeEvents();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Counts the requests of these disks, and of no others. Answers whether counting has begun anew. */
  watch(ids: readonly number[]): boolean {
    const numbers = ids.map(deviceNumber).filter((number) => number !== undefined);
    if (numbers.length === this.#numbers.length && numbers.every((number, at) => number === this.#numbers[at])) return false;
    if (ids.length > MOST_DISKS)
      throw new Error(
        `--latency watches at most ${MOST_DISKS} disks, and there are ${ids.length}; name one: uring-ublk stats ID --latency`,
      );
    removeInstance(this.#folder, this.#name);
    this.#numbers = numbers;
    if (numbers.length > 0) this.#makeTriggers(numbers, ids.map(requestsOf));
    return true;
  }

  /** What was counted since then, and how many requests there was no room for. */
  look(): { counts: ByDevice; dropped: number } {
    const [, latency, issue] = this.#places.triggers.map((path) => path.replace(/trigger$/, "hist"));
    if (this.#numbers.length === 0) return { counts: new Map(), dropped: 0 };
    return { counts: parseHistograms(readFileSync(latency!, "utf8")), dropped: droppedIn(readFileSync(issue!, "utf8")) };
  }

  [Symbol.dispose](): void {
    for (const end of this.#ends.splice(0)) end();
    removeAll(this.#folder, this.#name);
  }

  // Whatever ends this process but SIGKILL ends by way of "exit".
  #listen(): void {
    const remove = (): void => removeAll(this.#folder, this.#name);
    process.on("exit", remove);
    this.#ends.push(() => process.removeListener("exit", remove));
    for (const [signal, number] of Object.entries(SIGNALS)) {
      const end = (): void => process.exit(128 + number);
      process.on(signal, end);
      this.#ends.push(() => process.removeListener(signal, end));
    }
  }

  #makeEvents(): void {
    const [issue, done, latency] = this.#places.events;
    this.#event(`t:${issue} block_rq_issue rq=rq:x64 ${DEVICE} ${OPERATION}`);
    this.#event(`t:${done} block_io_done rq=rq:x64`);
    this.#event(`s:${latency} u64 lat; u32 dev; u32 op`);
  }

  #makeTriggers(numbers: readonly number[], requests: readonly number[]): void {
    const { instance, triggers } = this.#places;
    const name = this.#name;
    const all = requests.reduce((sum, each) => sum + each, 0);
    const entries = Math.min(MOST_ENTRIES, Math.max(LEAST_ENTRIES, 2 ** Math.ceil(Math.log2(Math.max(1, 2 * all)))));
    const filter = numbers.map((number) => `dev==${number}`).join("||");
    const [done, latency, issue] = triggers;
    mkdirSync(instance);
    writeFileSync(join(instance, "buffer_size_kb"), BUFFER_KIB);
    this.#write(issue, `hist:keys=rq:start=common_timestamp,device=dev,operation=op:size=${entries} if ${filter}`);
    const action = `onmatch(${name}.issue).${name}_latency($lat,$d,$o)`;
    this.#write(done, `hist:keys=rq:lat=common_timestamp-$start,d=$device,o=$operation:${action}:size=${entries}`);
    this.#write(latency, `hist:keys=dev,op,lat.log2:size=${MOST_ENTRIES / 8}`);
  }

  #event(line: string): void {
    this.#write(join(this.#folder, "dynamic_events"), line, "a");
  }

  #write(path: string, line: string, flag = "w"): void {
    try {
      writeFileSync(path, line, { flag });
    } catch (error) {
      // Linux 6.12 takes one such probe on a tracepoint, whoever makes it; 7.2 takes several.
      if ((error as { code?: string }).code === "EEXIST")
        throw new Error("somebody counts latencies already, and this kernel lets only one at a time: another stats --latency, perhaps", {
          cause: error,
        });
      const said = readFileSync(join(this.#folder, "error_log"), "utf8")
        .match(/error: .*/g)
        ?.at(-1);
      const why = said === undefined ? "" : ` (the kernel's ${said})`;
      throw new Error(`the kernel's tracing refuses '${line}': ${(error as Error).message}${why}`, { cause: error });
    }
  }
}
