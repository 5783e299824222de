/** What the example programs share: the options of serving, their help, and errors in one line instead of a stack. */
import { MODES as DATA_MODES, type DataMode, type ServeOptions, serve, type TargetDefinition, type UblkDevice } from "uring-ublk";
import type { BundledTarget } from "uring-ublk/targets";
import { readArguments, type Table, UsageError, type Values } from "./options.ts";

export { UsageError } from "./options.ts";

const named = Object.fromEntries(DATA_MODES.map(({ name }) => [name, name])) as Record<DataMode, DataMode>;
const MODES: Readonly<Record<DataMode | "auto", DataMode>> = { ...named, auto: "auto-buf-reg" };
const SERVING = {
  mode: MODES,
  batch: "flag",
  depth: "count",
  queues: "count",
  threads: "count",
  maxIo: "size",
  lockMemory: "flag",
  id: "count",
} as const;
const RUNNING = { workers: "flag", callingThread: "flag", quietReady: "flag" } as const;

export const SERVING_HELP = `  --mode MODE        copy, user-copy or need-get-data; auto-buf-reg (or auto) or zero-copy, where the kernel lends its pages (6.16, 6.15);
                     default the best there is
  --batch            requests come and go by the list (7.0)
  --depth N          requests in flight per queue (default 128)
  --queues N         hardware queues (default 1)
  --threads N        threads per queue (6.16; default 1)
  --max-io SIZE      the largest request (default 512k)
  --lock-memory      requests' data is in memory that stays in RAM
  --id N             the N of /dev/ublkbN (default the first free one)
  --workers          serve in Workers (the default with more than one queue or thread)
  --calling-thread   serve on the program's own thread (the default with one queue and thread)
  --quiet-ready      print nothing but the line "ready /dev/ublkbN"
  --help

Ctrl-C stops the disk and removes it; unmount it before.
`;

/** What the command line says. */
export interface CommandLine<Own extends Table> {
  /** The word that the program takes besides options. */
  readonly word: string;
  /** The program's own options. */
  readonly own: Values<Own>;
  /** How to serve, as serve() takes it. */
  readonly serving: ServeOptions<never>;
  /** Whether the disk is served in Workers. */
  readonly inWorkers: boolean;
  /** Nothing is to be said besides the line "ready". */
  readonly quiet: boolean;
}

/** A program: its help, its own options, and what serves its disk. */
export interface Program<Own extends Table> {
  readonly name: string;
  readonly help: string;
  readonly options?: Own;
  /** The word that it takes besides options, and what that is. */
  readonly word?: readonly [name: string, what: string];
  start(line: CommandLine<Own>): Promise<UblkDevice>;
}

function read<Own extends Table>({ options, word: wanted }: Program<Own>): CommandLine<Own> | "help" {
  const { help, words, values } = readArguments({ ...SERVING, ...RUNNING, ...options });
  if (help) return "help";
  const most = wanted === undefined ? 0 : 1;
  if (words.length > most) throw new UsageError(`unexpected argument '${words[most]}'`);
  const [word = ""] = words;
  if (wanted !== undefined && word === "") throw new UsageError(`${wanted.join(" is missing: ")}`);
  const { workers, callingThread, quietReady, ...others } = values() as Values<typeof RUNNING>;
  if (workers && callingThread) throw new UsageError("--workers and --calling-thread exclude each other");
  const pick = (mine: boolean) => Object.fromEntries(Object.entries(others).filter(([name]) => name in SERVING === mine));
  const serving: ServeOptions<never> = pick(true);
  const inWorkers = workers ?? (!callingThread && (serving.queues ?? 1) * (serving.threads ?? 1) > 1);
  return { word, own: pick(false) as Values<Own>, serving, inWorkers, quiet: quietReady ?? false };
}

/** Serves one of the package's targets as the command line says. */
export function serveBundled<T, Own extends Table>(target: BundledTarget<T>, options: T, line: CommandLine<Own>): Promise<UblkDevice> {
  if (line.inWorkers) return serve<T>(target.url, { ...line.serving, options });
  return serve((target as (options: T) => TargetDefinition)(options), line.serving);
}

/** Runs a program until its disk is gone. Bad usage ends with status 2, a failure with 1. */
export async function main<const Own extends Table>(program: Program<Own>): Promise<void> {
  try {
    const line = read(program);
    if (line === "help") {
      process.stdout.write(program.help);
      return;
    }
    const disk = await program.start(line);
    console.log(`ready ${disk.path}`);
    if (!line.quiet) {
      console.error(
        `${program.name}: ${disk.params?.size} bytes, mode ${disk.mode}, ${disk.info.queues} queue(s) of ${disk.info.depth}; Ctrl-C stops it`,
      );
    }
    await disk.finished;
  } catch (error) {
    const usage = error instanceof UsageError || (error as { code?: unknown }).code?.toString().startsWith("ERR_PARSE_ARGS") === true;
    console.error(`${program.name}: ${(error as Error).message}${usage ? `\nTry: bun examples/${program.name}/main.ts --help` : ""}`);
    process.exitCode = usage ? 2 : 1;
  }
}
