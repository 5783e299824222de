import { COMMANDS, type CommandKind } from "./commands.ts";
import { DEVICES, wordsOf } from "./completion-words.ts";

/** Options whose value is one of a few, of every command. */
function values(): string {
  const found = new Map<string, readonly string[]>();
  for (const { options } of COMMANDS) for (const { name, choices } of options) if (choices !== undefined) found.set(name, choices);
  return [...found]
    .map(([name, choices]) => `    ${name}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$cur")); return ;;`)
    .join("\n");
}

function takers(kinds: readonly CommandKind[]): string {
  const names = kinds.flatMap(({ options }) => options.filter(({ kind, choices }) => kind !== "flag" && choices === undefined));
  return [...new Set(names.map(({ name }) => name))].join("|");
}

function caseOf(kind: CommandKind): string {
  const { list, devices, files } = wordsOf(kind);
  const words = [list.join(" "), devices ? `$(${DEVICES})` : ""].filter((part) => part !== "").join(" ");
  const names = [...kind.options.map(({ name }) => name), "--help"].join(" ");
  return `    ${kind.name}) options="${names}"; words="${words}"; files=${files ? 1 : 0} ;;`;
}

/** The script for bash. */
export function bashScript(): string {
  return `# Completes command lines of uring-ublk: eval "$(uring-ublk completion bash)"
_uring_ublk() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" options="" words="" files=0
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${COMMANDS.map(({ name }) => name).join(" ")} --help --version" -- "$cur"))
    return
  fi
  case "$prev" in
${values()}
    --log) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    ${takers(COMMANDS)}) return ;;
  esac
  case "\${COMP_WORDS[1]}" in
${COMMANDS.map(caseOf).join("\n")}
    *) return ;;
  esac
  if [ "\${cur#-}" != "$cur" ]; then words="$options"; files=0; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ "$files" -eq 1 ]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}
complete -o filenames -F _uring_ublk uring-ublk
`;
}
