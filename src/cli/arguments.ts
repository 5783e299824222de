import { nearest } from "../uring/options.ts";

/** The command line is wrong: exit status 2. */
export class UsageError extends Error {}

/** A command line, understood. */
export interface Arguments {
  readonly command: Command | "help" | "version";
  readonly ids: readonly number[];
  readonly json: boolean;
  readonly all: boolean;
  readonly force: boolean;
  /** How long a stop may take. */
  readonly seconds: number;
}

export type Command = "features" | "list" | "del" | "recover";

/** The options of each command. */
const OPTIONS: Readonly<Record<Command, readonly string[]>> = {
  features: ["--json"],
  list: ["--json"],
  del: ["--all", "--force", "--timeout"],
  recover: [],
};
const COMMANDS = Object.keys(OPTIONS) as Command[];
const ANYWHERE: Readonly<Record<string, "help" | "version">> = {
  "--help": "help",
  "-h": "help",
  "--version": "version",
  "-V": "version",
};
const MOST_ID = 2 ** 20 - 1;
/** A stop writes back what is dirty, through the server. */
const SECONDS = 15;
const MOST_SECONDS = 86_400;

export const HELP = `uring-ublk: looks after ublk devices

Usage:
  uring-ublk features [--json]   what this kernel's ublk driver can do
  uring-ublk list [--json]       every ublk device, whoever made it
  uring-ublk del ID...           deletes devices whose server is gone
  uring-ublk del --all           deletes every such device that uring-ublk made
  uring-ublk recover ID          serves a device again whose server is gone, until it is told to end

Options:
  --json      machine-readable output
  --force     (del) also a device that has a live server or was not made by uring-ublk;
              with --all: also uring-ublk's devices that have a live server
  --timeout S (del) how long a device may take to stop, in seconds (default ${SECONDS})
  --help, -h
  --version, -V

Exit status: 0 done, 1 failed, 2 wrong usage.
`;

function unknown(what: string, word: string, candidates: readonly string[]): UsageError {
  const meant = nearest(word, candidates);
  const remedy = meant === undefined ? `there are ${candidates.join(", ")}` : `did you mean '${meant}'?`;
  return new UsageError(`unknown ${what} '${word}'; ${remedy}`);
}

function commandOf(word: string): Command {
  const command = COMMANDS.find((name) => name === word);
  if (command !== undefined) return command;
  if (word.startsWith("-")) throw unknown("option", word, Object.keys(ANYWHERE));
  throw unknown("command", word, COMMANDS);
}

function idOf(word: string): number {
  // The number, or either of the device's paths.
  const [, digits] = /^(?:\/dev\/ublk[bc])?(\d+)$/.exec(word) ?? [];
  const id = digits === undefined ? Number.NaN : Number(digits);
  if (id <= MOST_ID) return id;
  throw new UsageError(`'${word}' is not a device; give its number, such as 0, or its path, such as /dev/ublkb0`);
}

function secondsOf(word: string | undefined): number {
  const seconds = Number(word);
  if (word !== undefined && Number.isInteger(seconds) && seconds >= 1 && seconds <= MOST_SECONDS) return seconds;
  throw new UsageError(`--timeout takes seconds from 1 to ${MOST_SECONDS}, such as --timeout ${SECONDS}`);
}

/**
 * Understands the words behind the program's name.
 *
 * @throws UsageError
 */
export function parseArguments(words: readonly string[]): Arguments {
  const asked = words.find((word) => Object.hasOwn(ANYWHERE, word));
  const parsed = { ids: [] as number[], json: false, all: false, force: false, seconds: SECONDS };
  if (asked !== undefined) return { command: ANYWHERE[asked]!, ...parsed };
  const [first, ...rest] = words;
  if (first === undefined) throw new UsageError(`a command is missing; there are ${COMMANDS.join(", ")}`);
  const command = commandOf(first);
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at]!;
    if (command === "del" && word === "--timeout") parsed.seconds = secondsOf(rest[++at]);
    else if (word.startsWith("-")) {
      if (!OPTIONS[command].includes(word)) {
        throw unknown(`option of ${command}`, word, [...OPTIONS[command], "--help"]);
      }
      parsed[word.slice(2) as "json" | "all" | "force"] = true;
    } else if (command === "del" || command === "recover") parsed.ids.push(idOf(word));
    else throw new UsageError(`${command} takes no argument, but got '${word}'`);
  }
  if (command === "del" && parsed.all === parsed.ids.length > 0) {
    throw new UsageError(parsed.all ? "del takes either devices or --all, not both" : "del needs a device's number, or --all");
  }
  if (command === "recover" && parsed.ids.length !== 1) throw new UsageError("recover needs the number of one device");
  return { command, ...parsed, ids: [...new Set(parsed.ids)] };
}
