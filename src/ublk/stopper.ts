/**
 * The program of the child process that sends what its server must not: STOP_DEV, or DEL_DEV with `delete` (see stop-device.ts); REG_BUF with
 * `register` for the file at descriptor 3, and UNREG_BUF with `unregister` (see register-memory.ts), which print what comes of them.
 *
 * @module
 */
import { Arena, PROT_READ, PROT_WRITE } from "../ffi/index.ts";
import { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";

const LONG_MS = 2 ** 31 - 1;
const SHARED_FD = 3;

async function register(control: UblkControl, id: number, length: number, readOnly: boolean): Promise<number> {
  using arena = Arena.map(SHARED_FD, 0, length, readOnly ? PROT_READ : PROT_READ | PROT_WRITE);
  return await control.regBuf(id, { addr: arena.address, len: length, readOnly });
}

/** Prints what a command answered, or the errno that it failed with. */
async function tell(command: Promise<number | void>): Promise<void> {
  const result = await command.catch((error: unknown) => {
    if (error instanceof UblkError) return error.errno;
    throw error;
  });
  process.stdout.write(`${result ?? 0}\n`);
}

async function run(control: UblkControl, [device, command, ...args]: readonly string[]): Promise<void> {
  const id = Number(device);
  if (command === "delete") await control.deleteDevice(id);
  else if (command === "register") await tell(register(control, id, Number(args[0]), args[1] === "true"));
  else if (command === "unregister") await tell(control.unregBuf(id, Number(args[0])));
  else {
    process.stdout.write("sending\n"); // the limit of whoever waits counts from here
    await control.stopDevice(id);
  }
}

try {
  await using control = await UblkControl.open({ timeoutMs: LONG_MS });
  await run(control, process.argv.slice(2));
} catch (error) {
  // Somebody else may have been quicker.
  if (!(error instanceof UblkError) || error.code !== "ENODEV") {
    process.stderr.write(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
