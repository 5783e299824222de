import { checkBoolean, checkChoice, checkInteger, checkKnown } from "../uring/options.ts";
import type { CommandEncoding } from "./control.ts";
import { possibleCpus } from "./cpus.ts";
import { type DataMode, MODES } from "./data-mode.ts";
import { RECOVERIES, type Recovery } from "./recovery.ts";
import { REGISTRATIONS, type Registration } from "./registration.ts";
import { parseSize } from "./size.ts";
import type { Size } from "./target.ts";
import { checkUnprivilegedOptions } from "./unprivileged.ts";

/** Options of {@link serve}: how a target is served. What the disk is belongs to the target. */
export interface ServeOptions<Options = unknown> {
  /** Hardware queues, 1 to the number of CPUs; default 1. A module gets a Worker for each, closures are called on this thread. */
  queues?: number;
  /**
   * Threads per queue, 1 to `depth`; default 1. Each is a Worker that serves its share of the queue's tags on a ring of its own, for targets
   * that take more time than one thread has. Needs a module, and Linux 6.16 (`UBLK_F_PER_IO_DAEMON`).
   */
  threads?: number;
  /** Tags per queue, 1 to 4096: requests in flight. Default 128. */
  depth?: number;
  /** The largest request, 4 KiB to 32 MiB, a multiple of 4 KiB. Default 512 KiB. */
  maxIo?: Size;
  /**
   * How data reaches the target: `"copy"`, `"user-copy"` or `"need-get-data"`; for targets with `zeroCopy`, which move it by operations of
   * the ring, also `"auto-buf-reg"` (6.16) or `"zero-copy"` (6.15). Default: the best that target and kernel allow.
   */
  mode?: DataMode;
  /**
   * With mode `"zero-copy"`: when the pages of a request are registered, `"staged"`, `"linked"` or `"optimistic"`; see {@link Registration}.
   * Default `"staged"`.
   */
  registration?: Registration;
  /**
   * Requests are fetched and committed by the list, with one command each, instead of one by one (`UBLK_F_BATCH_IO`, Linux 7.0): less work
   * for each where many are in flight. Works with every mode but `"need-get-data"`, from depth 2 on. Default false. `docs/batch.md` tells more.
   */
  batch?: boolean;
  /** The device's id; default the first free one. */
  id?: number;
  /**
   * What becomes of the disk when this process ends without having stopped it: `"none"`, or `"queue"`, `"reissue"` or `"fail-io"`, where it
   * stays and waits for {@link recover}; see {@link Recovery}. Default `"none"`.
   */
  recovery?: Recovery;
  /** Root's disk. `true` makes one for a user without root's rights, with options of its own: {@link UnprivilegedOptions}. Default false. */
  unprivileged?: false;
  /** Clients may only read, whatever the target can do. */
  readOnly?: boolean;
  /** Clients schedule as for a spinning disk. */
  rotational?: boolean;
  /** One request at a time: for targets whose methods must not overlap. Needs `queues: 1` and `threads: 1`. */
  serialize?: boolean;
  /**
   * Clients may share memory with the disk (`UBLK_F_SHMEM_ZC`, 7.1), registered by {@link UblkDevice.shareMemory}: requests of theirs whose
   * data lies in it are not copied, and the target sees the client's own memory. Goes with every mode. Default false.
   */
  sharedMemory?: boolean;
  /**
   * The memory that requests' data comes in is in RAM from the start and stays there (`mlock(2)`), `depth` times `maxIo` for each queue: no
   * request waits for memory, or for a page on a swap disk. Without CAP_IPC_LOCK the limit RLIMIT_MEMLOCK must allow it. Where the mode
   * lends the kernel's pages there is no such memory. The memory of the program itself, and of the target, is not locked. Default false.
   */
  lockMemory?: boolean;
  /**
   * The kernel looks for partitions when the disk starts. `false` spares those reads and the partitions' nodes (`UBLK_F_NO_AUTO_PART_SCAN`, 7.0);
   * `partprobe` and `blockdev --rereadpt` still find them. Default true.
   */
  partitionScan?: boolean;
  /** SIGINT, SIGTERM, SIGHUP and uncaught exceptions stop the disk before the process ends. Default true; your own listeners win. */
  signals?: boolean;
  /** Passed to the target's `open`. */
  options?: Options;
  /** Time limit of each step of starting and stopping in milliseconds, the target's `open` and `attach` included; default 30000. */
  timeoutMs?: number;
  /**
   * Reports by a `slow` event what takes longer, in milliseconds from 40: requests that are still open, and a thread that does not come back
   * to its loop (the calling thread tells that once it has). Four looks are taken in that time, so a report may come half as late again.
   * Default 0: nobody looks.
   */
  watchdogMs?: number;
  /**
   * For development: the target, which must be a module, is loaded anew when a file in its folder changes, and served by the same threads; see
   * {@link UblkDevice.reload}. Default false.
   */
  hotReload?: boolean;
  /** How driver commands are numbered; `"legacy"` is for tests. */
  encoding?: CommandEncoding;
}

/** The options with every default in place. */
export interface CheckedOptions {
  queues: number;
  threads: number;
  depth: number;
  maxIoBytes: number;
  mode: DataMode | undefined;
  registration: Registration | undefined;
  batch: boolean;
  id: number | undefined;
  recovery: Recovery;
  unprivileged: boolean;
  readOnly: boolean | undefined;
  rotational: boolean | undefined;
  serialize: boolean;
  sharedMemory: boolean;
  lockMemory: boolean;
  partitionScan: boolean;
  signals: boolean;
  options: unknown;
  timeoutMs: number;
  watchdogMs: number;
  hotReload: boolean;
  encoding: CommandEncoding;
}

/** Options that say what device it is, which cannot change while there is one. */
export const DEVICE_OPTIONS = [
  "queues",
  "depth",
  "maxIo",
  "mode",
  "batch",
  "id",
  "recovery",
  "unprivileged",
  "readOnly",
  "rotational",
  "sharedMemory",
  "partitionScan",
] as const satisfies readonly (keyof ServeOptions)[];

/** Options that say how a process serves it. */
export const SERVING_OPTIONS = [
  "threads",
  "registration",
  "serialize",
  "lockMemory",
  "signals",
  "options",
  "timeoutMs",
  "watchdogMs",
  "hotReload",
  "encoding",
] as const satisfies readonly (keyof ServeOptions)[];

/** The names of serve's options. */
const SERVE_OPTIONS = [...DEVICE_OPTIONS, ...SERVING_OPTIONS];
const PAGE = 4096;
const MAX_IO = 32 * 2 ** 20;
const BUFFER_LIMIT = 4 * 2 ** 30;

/** Refuses more hardware queues than CPUs; also used on what the driver made of them, where the machine does not tell. */
export function checkQueues(queues: number, cpus: number | undefined): void {
  if (cpus !== undefined && queues > cpus)
    throw new RangeError(`serve: queues is ${queues}, but this machine has ${cpus} CPUs; use at most that many`);
}

/** Checks serve's options before anything is made. Errors begin with `what`. */
export function checkServeOptions(options: ServeOptions<never>, what: "serve" | "recover" = "serve"): CheckedOptions {
  checkKnown(what, options, SERVE_OPTIONS);
  const integer = (option: keyof ServeOptions, value: number | undefined, standard: number, least: number, most: number): number =>
    value === undefined ? standard : checkInteger(what, option, value, least, most);
  const boolean = (
    option:
      | "batch"
      | "unprivileged"
      | "readOnly"
      | "rotational"
      | "serialize"
      | "sharedMemory"
      | "lockMemory"
      | "partitionScan"
      | "hotReload"
      | "signals",
  ): boolean | undefined => (options[option] === undefined ? undefined : checkBoolean(what, option, options[option]));
  const queues = integer("queues", options.queues, 1, 1, 4096);
  checkQueues(queues, possibleCpus());
  const depth = integer("depth", options.depth, 128, 1, 4096);
  const threads = integer("threads", options.threads, 1, 1, 4096);
  if (threads > depth) throw new RangeError(`${what}: threads is ${threads}, and depth is ${depth}: each thread needs a tag of its own`);
  const maxIoBytes = options.maxIo === undefined ? 512 * 1024 : parseSize(options.maxIo, `${what}: maxIo`);
  if (maxIoBytes < PAGE || maxIoBytes > MAX_IO || maxIoBytes % PAGE !== 0) {
    throw new RangeError(`serve: maxIo is ${maxIoBytes} bytes; it must be a multiple of 4096 from 4096 to 33554432 (32 MiB)`);
  }
  if (depth * maxIoBytes > BUFFER_LIMIT)
    throw new RangeError(`serve: depth ${depth} times maxIo ${maxIoBytes} is more than 4 GiB of buffers; lower one of them`);
  const serialize = boolean("serialize") ?? false;
  if (serialize && queues > 1) throw new RangeError(`${what}: serialize needs queues: 1, and queues is ${queues}`);
  if (serialize && threads > 1) throw new RangeError(`${what}: serialize needs threads: 1, and threads is ${threads}`);
  const batch = boolean("batch") ?? false;
  if (batch && threads > 1)
    throw new TypeError(`${what}: batch is true and threads is ${threads}; a batched queue has one thread here: leave one of them out`);
  if (batch && options.mode === "need-get-data")
    throw new TypeError(
      "serve: batch is true and mode is 'need-get-data', and the driver cannot do both; leave one of them out, or use mode: 'copy'",
    );
  if (batch && depth === 1) throw new RangeError("serve: batch is true and depth is 1, and the driver's lists need depth: 2 or more");
  const names = MODES.map(({ name }) => name);
  const mode = options.mode === undefined ? undefined : checkChoice<DataMode>(what, "mode", options.mode, names);
  const recovery = options.recovery === undefined ? "none" : checkChoice<Recovery>(what, "recovery", options.recovery, RECOVERIES);
  const unprivileged = boolean("unprivileged") ?? false;
  checkUnprivilegedOptions({ unprivileged, mode, recovery });
  return {
    queues,
    threads,
    depth,
    maxIoBytes,
    mode,
    registration:
      options.registration === undefined ? undefined : checkChoice<Registration>(what, "registration", options.registration, REGISTRATIONS),
    batch,
    id: options.id === undefined ? undefined : checkInteger(what, "id", options.id, 0, 2 ** 20 - 1),
    recovery,
    unprivileged,
    readOnly: boolean("readOnly"),
    rotational: boolean("rotational"),
    serialize,
    sharedMemory: boolean("sharedMemory") ?? false,
    lockMemory: boolean("lockMemory") ?? false,
    partitionScan: boolean("partitionScan") ?? true,
    signals: boolean("signals") ?? true,
    options: options.options,
    timeoutMs: integer("timeoutMs", options.timeoutMs, 30_000, 100, 2 ** 31 - 1),
    watchdogMs: options.watchdogMs === 0 ? 0 : integer("watchdogMs", options.watchdogMs, 0, 40, 2 ** 31 - 1),
    hotReload: boolean("hotReload") ?? false,
    encoding:
      options.encoding === undefined ? "ioctl" : checkChoice<CommandEncoding>(what, "encoding", options.encoding, ["ioctl", "legacy"]),
  };
}
