import type { CommandLine } from "./command-line.ts";
import type { Front } from "./front.ts";
import type { Output } from "./output.ts";

/** Who has started this process, where it is to serve in the background. */
interface Caller {
  /** The command line as it was given. */
  readonly given: readonly string[];
  readonly background: Front | undefined;
}

async function frontOf(line: CommandLine, output: Output): Promise<Front | undefined> {
  if (!line.flag("--foreground")) return undefined;
  const { Foreground } = await import("./front.ts");
  return new Foreground(output, line.json);
}

/** Carries a command out; answers the exit status. What a command does not need is not loaded. */
export async function run(line: CommandLine, output: Output, { given, background }: Caller): Promise<number> {
  switch (line.command) {
    case "add":
      return (await import("./add.ts")).add(line, given, output, background ?? (await frontOf(line, output)));
    case "list":
      return (await import("./list.ts")).list(output, line.json);
    case "info":
      return (await import("./info.ts")).info(line, output);
    case "stop":
      return (await import("./stop-disk.ts")).stopDisk(line, output);
    case "del":
      return (await import("./delete.ts")).del(line, output);
    case "recover":
      return (await import("./recover.ts")).recover(line, given, output, background);
    case "quiesce":
      return (await import("./quiesce.ts")).quiesce(line, output);
    case "resize":
      return (await import("./resize.ts")).resize(line, output);
    case "features":
      return (await import("./features.ts")).features(output, line.json);
    case "affinity":
      return (await import("./affinity.ts")).affinity(line, output);
    case "stats":
      return (await import("./stats.ts")).stats(line, output);
    case "chown-nodes":
      return (await import("./chown-nodes.ts")).chownNodes(line, output);
    case "doctor":
      return (await import("./doctor/index.ts")).doctor(line, output);
    case "completion":
      return (await import("./completion.ts")).completion(line, output);
    case "help":
      return (await import("./explain.ts")).explain(line, output);
  }
}
