import { VmError } from "./failure.ts";
import { DEFAULT_SERIES, parseSeries, SERIES } from "./series.ts";

export interface CommandLine {
  readonly action: "run" | "help" | "list-kernels";
  readonly kernel: string;
  readonly icount: boolean;
  readonly quiet: boolean;
  readonly refresh: boolean;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly timeoutSeconds: number;
  readonly bring: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
}

export const HELP = `Runs a command in a copy of this project, on a Linux kernel that has ublk, in an emulated machine.

  bun run vm -- [OPTIONS] COMMAND ARGS...

  --kernel SERIES    ${SERIES.join(", ")} (default ${DEFAULT_SERIES})
  --icount           count guest time in instructions, for figures that repeat (slower)
  --memory MB        the VM's memory (default 3072)
  --cpus N           its processors (default 2)
  --timeout SECONDS  for the VM's whole life (default 600); then the exit status is 124
  --bring PATH       also copy this file or directory back, relative to the project; may be repeated
  --env NAME=VALUE   set a variable for the command; may be repeated (CI, NO_COLOR and URING_UBLK_* are passed on)
  --quiet            only the command's own output
  --refresh          look for a newer release of the kernel in the mirror first
  --list-kernels     show what the mirror has, and stop
  --help

Everything the command writes under vm-out/ comes back to the project's vm-out/.
The exit status is the command's; 125 when the VM itself failed.
`;

/** Options come first; the first word that is none begins the command, whose own options are left alone. */
export function parseCommandLine(words: readonly string[]): CommandLine {
  let action: CommandLine["action"] = "run";
  let kernel: string = DEFAULT_SERIES;
  let icount = false;
  let quiet = false;
  let refresh = false;
  let memoryMb = 3072;
  let cpus = 2;
  let timeoutSeconds = 600;
  const bring: string[] = [];
  const env: Record<string, string> = {};

  let next = 0;
  const valueFor = (option: string, inline: string | undefined): string => {
    const value = inline ?? words[next++];
    if (value === undefined) throw new VmError(`The option ${option} needs a value. See --help.`);
    return value;
  };
  while (next < words.length) {
    const word = words[next] ?? "";
    if (word === "--") {
      next++;
      break;
    }
    if (!word.startsWith("-")) break;
    next++;
    const equals = word.indexOf("=");
    const option = equals < 0 ? word : word.slice(0, equals);
    const inline = equals < 0 ? undefined : word.slice(equals + 1);
    if (inline !== undefined && !TAKES_VALUE.has(option) && OPTIONS.includes(option))
      throw new VmError(`The option ${option} takes no value.`);
    switch (option) {
      case "--help":
      case "-h":
        action = "help";
        break;
      case "--list-kernels":
        action = "list-kernels";
        break;
      case "--icount":
        icount = true;
        break;
      case "--quiet":
        quiet = true;
        break;
      case "--refresh":
        refresh = true;
        break;
      case "--kernel":
        kernel = parseSeries(valueFor(option, inline));
        break;
      case "--memory":
        memoryMb = positive(option, valueFor(option, inline));
        break;
      case "--cpus":
        cpus = positive(option, valueFor(option, inline));
        break;
      case "--timeout":
        timeoutSeconds = positive(option, valueFor(option, inline));
        break;
      case "--bring":
        bring.push(valueFor(option, inline));
        break;
      case "--env": {
        const [, name, value] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(valueFor(option, inline)) ?? [];
        if (name === undefined || value === undefined) throw new VmError("--env wants NAME=VALUE.");
        env[name] = value;
        break;
      }
      default:
        throw new VmError(
          `Unknown option ${option}. Valid options: ${OPTIONS.join(", ")}. The command's own options go after the command.`,
        );
    }
  }
  const command = words.slice(next);
  if (action === "run" && command.length === 0) throw new VmError("There is no command to run in the VM. See --help.");
  return { action, kernel, icount, quiet, refresh, memoryMb, cpus, timeoutSeconds, bring, env, command };
}

const OPTIONS = [...HELP.matchAll(/^ {2}(--[a-z-]+)/gm)].map((match) => match[1] ?? "");
const TAKES_VALUE = new Set([...HELP.matchAll(/^ {2}(--[a-z-]+) [A-Z]/gm)].map((match) => match[1] ?? ""));

function positive(option: string, text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new VmError(`${option} wants a positive whole number, not "${text}".`);
  return Number(text);
}
