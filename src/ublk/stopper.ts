/**
 * The program of the child process that sends what its server must not (see outside.ts): STOP_DEV; or with a word, TRY_STOP_DEV (`try`),
 * DEL_DEV (`delete`), UPDATE_SIZE (`resize BYTES`), REG_BUF for the file at descriptor 3 (`register LENGTH READONLY`), UNREG_BUF (`unregister
 * INDEX`); or `sync`, which is no command: it writes back what is dirty. It prints `sending`, and on the next line what came of it.
 *
 * @module
 */
import { Arena, PROT_READ, PROT_WRITE, SystemError } from "../ffi/index.ts";
import { UblkControl } from "./control.ts";
import { UblkError } from "./error.ts";
import { tryStop } from "./try-stop.ts";
import { writeBack } from "./write-back.ts";

const LONG_MS = 2 ** 31 - 1;
const SHARED_FD = 3;

async function register(control: UblkControl, id: number, length: number, readOnly: boolean): Promise<number> {
  using arena = Arena.map(SHARED_FD, 0, length, readOnly ? PROT_READ : PROT_READ | PROT_WRITE);
  return await control.regBuf(id, { addr: arena.address, len: length, readOnly });
}

/** The end of a device that may have come to its end already: somebody else was quicker. */
async function ending(command: Promise<void>): Promise<void> {
  await command.catch((error: unknown) => {
    if (!(error instanceof UblkError) || error.code !== "ENODEV") throw error;
  });
}

async function run(control: UblkControl, [device, command, ...args]: readonly string[]): Promise<number | void> {
  const id = Number(device);
  switch (command) {
    case undefined:
      return await ending(control.stopDevice(id));
    case "try":
      return await ending(tryStop(control, id));
    case "delete":
      return await ending(control.deleteDevice(id));
    case "resize":
      return await control.updateSize(id, Number(args[0]));
    case "register":
      return await register(control, id, Number(args[0]), args[1] === "true");
    case "unregister":
      return await control.unregBuf(id, Number(args[0]));
    case "sync":
      return writeBack(id);
    default:
      throw new TypeError(`there is no command '${command}'`);
  }
}

try {
  await using control = await UblkControl.open({ timeoutMs: LONG_MS });
  process.stdout.write("sending\n"); // the limit of whoever waits counts from here
  const result = await run(control, process.argv.slice(2)).catch((error: unknown) => {
    if (error instanceof SystemError) return error.errno;
    throw error;
  });
  process.stdout.write(`${result ?? 0}\n`);
} catch (error) {
  process.stderr.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
