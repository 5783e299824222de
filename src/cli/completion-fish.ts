import { COMMANDS, type CommandKind } from "./commands.ts";
import { DEVICES, wordsOf } from "./completion-words.ts";
import type { Option } from "./option.ts";

const quoted = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
const line = (condition: string, rest: string): string => `complete -c uring-ublk -n ${quoted(condition)} ${rest}`;

function option(condition: string, { name, kind, choices, help }: Option): string {
  const value = kind === "flag" ? "" : choices !== undefined ? ` -x -a ${quoted(choices.join(" "))}` : name === "--log" ? " -r" : " -x";
  return line(condition, `-l ${name.slice(2)}${value} -d ${quoted(help)}`);
}

function command(kind: CommandKind): string[] {
  const condition = `__fish_seen_subcommand_from ${kind.name}`;
  const { list, devices, files } = wordsOf(kind);
  const words = [
    ...(devices ? [line(condition, `-a ${quoted(`(${DEVICES})`)}`)] : []),
    ...(list.length > 0 ? [line(condition, `-a ${quoted(list.join(" "))}`)] : []),
    ...(files ? [line(condition, "-F")] : []),
  ];
  return [
    line("__fish_use_subcommand", `-a ${kind.name} -d ${quoted(kind.summary)}`),
    ...words,
    ...kind.options.map((each) => option(condition, each)),
  ];
}

/** The script for fish. */
export function fishScript(): string {
  return `# Completes command lines of uring-ublk: uring-ublk completion fish > ~/.config/fish/completions/uring-ublk.fish
complete -c uring-ublk -f
complete -c uring-ublk -l help -s h -d ${quoted("explains the command")}
complete -c uring-ublk -l version -s V -d ${quoted("the version")}
${COMMANDS.flatMap(command).join("\n")}
`;
}
