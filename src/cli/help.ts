import { COMMAND_NAMES, COMMANDS, type CommandKind, TARGET_KINDS } from "./commands.ts";
import { type Option, unknown } from "./option.ts";
import { TOPICS, type Topic } from "./topics.ts";
import { columns, wrap } from "./wrap.ts";

const PROGRAM = "uring-ublk";

/** Each way to call a command. */
export const usagesOf = ({ name, usage }: CommandKind): string[] => usage.map((words) => `${PROGRAM} ${name} ${words}`.trimEnd());

const written = ({ name, kind, value = "N" }: Option): string => (kind === "flag" ? name : `${name} ${value}`);

const optionRows = (options: readonly Option[]): [string, string][] => options.map((option) => [written(option), option.help]);

/** `uring-ublk --help`. */
export function overview(): string {
  const commands = COMMANDS.map((kind): [string, string] => [`${kind.name} ${kind.usage[0]!}`.trimEnd(), kind.summary]);
  const topics = TOPICS.map(({ name, summary }): [string, string] => [name, summary]);
  return `${PROGRAM}: makes and looks after ublk devices

Usage: ${PROGRAM} COMMAND [WORDS] [OPTIONS]

Commands:
${columns(commands)}

ID is a device's number, or either of its paths. '${PROGRAM} help COMMAND' tells more about each.

Topics, for '${PROGRAM} help TOPIC':
${columns(topics)}

Anywhere:
${columns([
  ["--help, -h", "this, or what there is to know about a command"],
  ["--version, -V", "the version"],
])}

Data goes to standard output, everything else to standard error.
Exit status: 0 done, 1 failed, 2 wrong usage, 128 + N ended by signal N.
`;
}

function targetsText(): string {
  const rows = TARGET_KINDS.map(({ name, usage, summary }): [string, string] => [`${name} ${usage}`.trimEnd(), summary]);
  return `Targets:\n${columns(rows)}\n`;
}

/** `uring-ublk help COMMAND`. */
export function commandHelp(kind: CommandKind): string {
  const parts = [`Usage: ${usagesOf(kind).join("\n       ")}`, wrap(`${kind.summary[0]!.toUpperCase()}${kind.summary.slice(1)}.`)];
  parts.push(...kind.about.map((text) => wrap(text)));
  if (kind.name === "add") parts.push(targetsText().trimEnd());
  if (kind.options.length > 0) parts.push(`Options:\n${columns(optionRows(kind.options))}`);
  return `${parts.join("\n\n")}\n`;
}

/** A topic, as a page. */
export const topicHelp = ({ title, text }: Topic): string => `${title}\n\n${text.trim()}\n`;

/**
 * `uring-ublk help [WORD]`.
 *
 * @throws UsageError: there is neither a command nor a topic of that name.
 */
export function help(word: string | undefined): string {
  if (word === undefined) return overview();
  const command = COMMANDS.find(({ name }) => name === word);
  if (command !== undefined) return commandHelp(command);
  const topic = TOPICS.find(({ name }) => name === word);
  if (topic !== undefined) return topicHelp(topic);
  throw unknown("topic", word, [...COMMAND_NAMES, ...TOPICS.map(({ name }) => name)]);
}
