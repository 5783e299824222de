import type { CommandLine } from "./command-line.ts";
import { SECONDS } from "./commands.ts";
import { startDaemon } from "./daemon.ts";
import { startedText } from "./front.ts";
import type { Output } from "./output.ts";

/** Has the same command serve in the background, and says how that went. */
export async function startInBackground(line: CommandLine, given: readonly string[], output: Output): Promise<number> {
  const outcome = await startDaemon(given, line.text("--log"), line.seconds(SECONDS.add));
  if ("problem" in outcome) {
    output.message(outcome.problem);
    return outcome.status;
  }
  output.data(startedText(outcome.started, line.json));
  output.message(`process ${outcome.started.pid} serves ${outcome.started.path}; its log is ${outcome.started.log}`);
  return 0;
}
