import type { CommandLine } from "./command-line.ts";
import { help } from "./help.ts";
import { manual } from "./manual.ts";
import type { Output } from "./output.ts";

/** `uring-ublk help`. */
export function explain(line: CommandLine, output: Output): number {
  const [word] = line.words;
  output.data(word === "manual" ? manual() : help(word));
  return 0;
}
