/**
 * The program of the child process that sends STOP_DEV, or DEL_DEV with `delete`: see stop-device.ts.
 *
 * @module
 */
import { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";

const LONG_MS = 2 ** 31 - 1;

try {
  await using control = await UblkControl.open({ timeoutMs: LONG_MS });
  const id = Number(process.argv[2]);
  if (process.argv[3] === "delete") await control.deleteDevice(id);
  else {
    process.stdout.write("sending\n"); // the limit of whoever waits counts from here
    await control.stopDevice(id);
  }
} catch (error) {
  // Somebody else may have been quicker.
  if (!(error instanceof UblkError) || error.code !== "ENODEV") {
    process.stderr.write(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
