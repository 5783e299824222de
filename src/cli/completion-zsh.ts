import { COMMANDS, type CommandKind } from "./commands.ts";
import { DEVICES, wordsOf } from "./completion-words.ts";
import type { Option } from "./option.ts";

/** In a specification of _arguments brackets and colons have a meaning. */
const quoted = (text: string): string => text.replace(/'/g, "'\\''").replace(/[[\]:]/g, "\\$&");

function option({ name, kind, choices, value = "N", help }: Option): string {
  const after = kind === "flag" ? "" : `:${value}:${choices === undefined ? (name === "--log" ? "_files" : "") : `(${choices.join(" ")})`}`;
  return `'${kind === "list" ? "*" : ""}${name}[${quoted(help)}]${after}'`;
}

function words(kind: CommandKind): string {
  const { list, devices, files } = wordsOf(kind);
  if (devices) return ` '*:device:->devices'`;
  if (files) return ` '*:target:_alternative "targets:target:(${list.join(" ")})" "files:file:_files"'`;
  return list.length > 0 ? ` '*:word:(${list.join(" ")})'` : "";
}

const caseOf = (kind: CommandKind): string =>
  `    ${kind.name}) _arguments -C '--help[explains the command]'${kind.options.map((each) => ` ${option(each)}`).join("")}${words(kind)} ;;`;

/** The script for zsh. */
export function zshScript(): string {
  return `#compdef uring-ublk
# Completes command lines of uring-ublk: eval "$(uring-ublk completion zsh)", behind compinit
_uring_ublk() {
  local context state line curcontext="$curcontext"
  local -a commands
  commands=(
${COMMANDS.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`).join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${COMMANDS.map(caseOf).join("\n")}
  esac
  if [[ "$state" == devices ]]; then
    compadd -- $(${DEVICES})
  fi
}
compdef _uring_ublk uring-ublk
`;
}
