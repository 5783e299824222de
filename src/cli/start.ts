import { startDaemon } from "./daemon.ts";
import { startedText } from "./front.ts";
import type { Output } from "./output.ts";

/** Has the same command serve in the background, and says how that went. */
export async function startInBackground(
  given: readonly string[],
  output: Output,
  { log, seconds, json }: { readonly log: string | undefined; readonly seconds: number; readonly json: boolean },
): Promise<number> {
  const outcome = await startDaemon(given, log, seconds);
  if ("problem" in outcome) {
    output.message(outcome.problem);
    return outcome.status;
  }
  output.data(startedText(outcome.started, json));
  output.message(`process ${outcome.started.pid} serves ${outcome.started.path}; its log is ${outcome.started.log}`);
  return 0;
}
