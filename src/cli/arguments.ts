import { CommandLine } from "./command-line.ts";
import { COMMAND_NAMES, type Command, type CommandKind, kindOf } from "./commands.ts";
import { ANYWHERE } from "./common-options.ts";
import { type Option, type OptionValue, readValue, UsageError, unknown } from "./option.ts";
import { checkTarget } from "./target-words.ts";

const MOST_ID = 2 ** 20 - 1;

/** What was asked for: the version, or a command. */
export type Asked = "version" | CommandLine;

function commandOf(word: string): Command {
  const command = COMMAND_NAMES.find((name) => name === word);
  if (command !== undefined) return command;
  if (word.startsWith("-")) throw unknown("option", word, Object.keys(ANYWHERE));
  throw unknown("command", word, COMMAND_NAMES);
}

function idOf(word: string): number {
  // The number, or either of the device's paths, or what udev calls them.
  const [, digits] = /^(?:(?:\/dev\/)?ublk[bc])?(\d+)$/.exec(word) ?? [];
  const id = digits === undefined ? Number.NaN : Number(digits);
  if (id <= MOST_ID) return id;
  throw new UsageError(`'${word}' is not a device; give its number, such as 0, or its path, such as /dev/ublkb0`);
}

function optionOf({ name, options }: CommandKind, word: string): Option {
  const option = options.find((candidate) => candidate.name === word);
  if (option !== undefined) return option;
  throw unknown(`option of ${name}`, word, [...options.map((candidate) => candidate.name), "--help"]);
}

/** Takes options and words apart: `--name VALUE`, `--name=VALUE`; behind `--` there are only words. */
function split(kind: CommandKind, rest: readonly string[]): { words: string[]; values: Map<string, OptionValue> } {
  const words: string[] = [];
  const values = new Map<string, OptionValue>();
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at]!;
    if (word === "--") {
      words.push(...rest.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      words.push(word);
      continue;
    }
    const [, name = word, inline] = /^(--[^=]*)=(.*)$/s.exec(word) ?? [];
    const option = optionOf(kind, name);
    if (option.kind === "flag" && inline !== undefined) throw new UsageError(`${name} takes no value`);
    const given = option.kind === "flag" ? "" : (inline ?? rest[++at]);
    if (given === undefined) throw new UsageError(`${name} takes ${option.value ?? "N"}, which is missing`);
    if (values.has(name) && option.kind !== "list") throw new UsageError(`${name} is there twice`);
    values.set(name, readValue(option, given, values.get(name)));
  }
  return { words, values };
}

function one(command: Command, words: readonly string[], what: string): string {
  const [word, second] = words;
  if (word === undefined || second !== undefined) throw new UsageError(`${command} needs ${what}`);
  return word;
}

function checkDel(words: readonly string[], all: boolean): number[] {
  if (all === words.length > 0)
    throw new UsageError(all ? "del takes either devices or --all, not both" : "del needs a device's number, or --all");
  return [...new Set(words.map(idOf))];
}

/** Checks a command's words; answers the devices among them. */
function idsOf({ name, words: wanted }: CommandKind, words: readonly string[], values: ReadonlyMap<string, OptionValue>): number[] {
  switch (wanted) {
    case "none":
      if (words.length > 0) throw new UsageError(`${name} takes no argument, but got '${words[0]}'`);
      return [];
    case "device":
      return [idOf(one(name, words, "the number of one device"))];
    case "device-or-all":
      if (words.length > 1) throw new UsageError(`${name} takes one device, or none for all`);
      return words.map(idOf);
    case "devices":
      return checkDel(words, values.has("--all"));
    case "device-and-size":
      if (words.length !== 2) throw new UsageError(`${name} needs the number of one device, and a size`);
      readValue({ name: "resize", kind: "size", help: "" }, words[1]!, undefined);
      return [idOf(words[0]!)];
    case "target":
      checkTarget(words, values);
      return [];
    case "shell":
      one(name, words, "the name of a shell: bash, zsh or fish");
      return [];
    case "topic":
      if (words.length > 1) throw new UsageError("help takes one command or topic");
      return [];
  }
}

/**
 * Understands the words behind the program's name. `--help` behind a command is `help` with that command.
 *
 * @throws UsageError
 */
export function parseArguments(words: readonly string[]): Asked {
  const end = words.indexOf("--");
  const asked = (end < 0 ? words : words.slice(0, end)).find((word) => Object.hasOwn(ANYWHERE, word));
  if (asked !== undefined && ANYWHERE[asked] === "version") return "version";
  const [first, ...rest] = words;
  if (asked !== undefined) return new CommandLine("help", { words: COMMAND_NAMES.filter((name) => name === first) });
  if (first === undefined) throw new UsageError(`a command is missing; there are ${COMMAND_NAMES.join(", ")}`);
  const command = commandOf(first);
  const kind = kindOf(command);
  const { words: given, values } = split(kind, rest);
  return new CommandLine(command, { words: given, ids: idsOf(kind, given, values), values });
}
