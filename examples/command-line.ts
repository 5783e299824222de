/** What the example programs share: the options of serving, their help, and errors in one line instead of a stack. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { type DataMode, parseSize, type ServeOptions, serve, type TargetDefinition, type UblkDevice } from "uring-ublk";
import type { BundledTarget } from "uring-ublk/targets";

type Values = { readonly [name: string]: string | boolean | undefined };
type Options = NonNullable<ParseArgsConfig["options"]>;

const SERVING = {
  mode: { type: "string" },
  depth: { type: "string" },
  queues: { type: "string" },
  "max-io": { type: "string" },
  id: { type: "string" },
  workers: { type: "boolean" },
  "calling-thread": { type: "boolean" },
  "quiet-ready": { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const satisfies Options;

export const SERVING_HELP = `  --mode copy|auto   copy the data, or let the kernel lend its pages (AUTO_BUF_REG, Linux 6.16); default the best there is
  --depth N          requests in flight per queue (default 128)
  --queues N         hardware queues (default 1)
  --max-io SIZE      the largest request (default 512k)
  --id N             the N of /dev/ublkbN (default the first free one)
  --workers          serve in a Worker per queue (the default with more than one queue)
  --calling-thread   serve on the program's own thread (the default with one queue)
  --quiet-ready      print nothing but the line "ready /dev/ublkbN"
  --help

Ctrl-C stops the disk and removes it; unmount it before.
`;

/** A mistake in the command line. */
export class UsageError extends Error {}

/** The command line's values and words. */
export interface CommandLine {
  readonly values: Values;
  readonly words: readonly string[];
}

function read(options: Options, most: number): CommandLine {
  const { values, positionals } = parseArgs({ options: { ...SERVING, ...options }, allowPositionals: true });
  if (positionals.length > most && values.help !== true) {
    throw new UsageError(`unexpected argument '${positionals[most]}'`);
  }
  return { values: values as Values, words: positionals };
}

function whole(values: Values, option: string): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  if (typeof text === "string" && /^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`--${option} is '${text}'; it must be a whole number`);
}

/** A size option in bytes. */
export function sizeOf(values: Values, option: string): number | undefined {
  const text = values[option];
  return text === undefined ? undefined : parseSize(text as string, `--${option}`);
}

const MODES: Readonly<Record<string, DataMode>> = {
  copy: "copy",
  auto: "auto-buf-reg",
  "auto-buf-reg": "auto-buf-reg",
};

/** How to serve, as serve() takes it. */
export function servingOf(values: Values): ServeOptions<never> {
  const { mode } = values;
  if (mode !== undefined && !Object.hasOwn(MODES, mode as string)) {
    throw new UsageError(`--mode is '${mode}'; it must be copy or auto`);
  }
  const [queues, depth, id, maxIo] = [whole(values, "queues"), whole(values, "depth"), whole(values, "id"), sizeOf(values, "max-io")];
  return {
    ...(mode === undefined ? {} : { mode: MODES[mode as string]! }),
    ...(queues === undefined ? {} : { queues }),
    ...(depth === undefined ? {} : { depth }),
    ...(id === undefined ? {} : { id }),
    ...(maxIo === undefined ? {} : { maxIo }),
  };
}

/** Whether the disk is served in Workers. */
export function inWorkers(values: Values): boolean {
  if (values.workers === true && values["calling-thread"] === true) {
    throw new UsageError("--workers and --calling-thread exclude each other");
  }
  return values.workers === true || (values["calling-thread"] !== true && (whole(values, "queues") ?? 1) > 1);
}

/** Serves one of the package's targets as the command line says. */
export function serveBundled<T>(target: BundledTarget<T>, options: T, values: Values): Promise<UblkDevice> {
  const serving = servingOf(values);
  if (inWorkers(values)) return serve<T>(target.url, { ...serving, options });
  return serve((target as (options: T) => TargetDefinition)(options), serving);
}

/** A program: its help, its own options, and what serves its disk. */
export interface Program {
  readonly name: string;
  readonly help: string;
  readonly options?: Options;
  /** How many words it takes besides options. */
  readonly words?: number;
  start(line: CommandLine): Promise<UblkDevice>;
}

/** Runs a program until its disk is gone. Bad usage ends with status 2, a failure with 1. */
export async function main(program: Program): Promise<void> {
  try {
    const line = read(program.options ?? {}, program.words ?? 0);
    if (line.values.help === true) {
      process.stdout.write(program.help);
      return;
    }
    const disk = await program.start(line);
    console.log(`ready ${disk.path}`);
    if (line.values["quiet-ready"] !== true) {
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
