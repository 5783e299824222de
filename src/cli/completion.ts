import type { CommandLine } from "./command-line.ts";
import { bashScript } from "./completion-bash.ts";
import { fishScript } from "./completion-fish.ts";
import { zshScript } from "./completion-zsh.ts";
import { unknown } from "./option.ts";
import type { Output } from "./output.ts";

const SCRIPTS: Readonly<Record<string, () => string>> = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** `uring-ublk completion`. */
export function completion(line: CommandLine, output: Output): number {
  const [shell] = line.words as [string];
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined) throw unknown("shell", shell, Object.keys(SCRIPTS));
  output.data(script());
  return 0;
}
