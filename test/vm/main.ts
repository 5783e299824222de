import { constants } from "node:os";
import { VmError } from "./failure.ts";
import { describeKernels } from "./list-kernels.ts";
import { type CommandLine, HELP, parseCommandLine } from "./options.ts";
import { runInVm } from "./vm.ts";

/** When the VM and not the command failed; docker and others use the same number. */
const OUR_FAILURE = 125;

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // Only asks: runInVm kills QEMU, removes what it made and rejects, and then we exit as the signal would have had it.
  process.once(name, () => interrupted.abort(name));
}

// A reader such as head has seen enough: end as any program would.
process.stdout.on("error", () => interrupted.abort("SIGPIPE"));

try {
  process.exitCode = await main(parseCommandLine(process.argv.slice(2)));
} catch (error) {
  if (interrupted.signal.aborted) process.exitCode = 128 + constants.signals[interrupted.signal.reason as "SIGINT"];
  else if (error instanceof VmError) {
    process.stderr.write(`vm: ${error.message}\n`);
    process.exitCode = OUR_FAILURE;
  } else throw error;
}

async function main(line: CommandLine): Promise<number> {
  if (line.action === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  if (line.action === "list-kernels") {
    process.stdout.write(await describeKernels(interrupted.signal));
    return 0;
  }
  const result = await runInVm({
    ...line,
    // Quiet means something else to a program than to a reader, who wants to see the command's output.
    onOutput: line.quiet ? (text) => void process.stdout.write(text) : undefined,
    signal: interrupted.signal,
  });
  const say = (text: string) => process.stderr.write(`vm: ${text}\n`);
  if (result.blockedTasks !== "") say(`the kernel's blocked tasks at the time limit:\n${result.blockedTasks}`);
  if (result.kernelWarnings.length > 0) say(`the kernel complained during the run:\n${result.kernelWarnings.join("\n")}`);
  if (!line.quiet) {
    say(
      `${result.kernel} (${result.accelerator}): status ${result.status} after ${result.seconds.toFixed(1)} s, boot ${result.bootSeconds.toFixed(1)} s`,
    );
  }
  return result.status;
}
