/**
 * `npm run demo`: examples/demo in the VM, or with --host on this machine's own ublk, in a mount namespace of its own.
 *   npm run demo -- [--host] [--kernel 6.12] [--no-fio]
 */
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { VmError } from "../test/vm/failure.ts";
import { runInVm } from "../test/vm/vm.ts";

const PROGRAM = "examples/demo/main.ts";
const LIMIT_SECONDS = 300;
const USAGE = `usage: npm run demo -- [OPTIONS]
  --host            on this machine's own ublk, as root, instead of in the VM; its mounts are seen by nobody else
  --kernel SERIES   the VM's kernel, default 7.2
  --no-fio          do not measure
  --help`;

async function onHost(options: readonly string[]): Promise<number> {
  if (process.getuid?.() !== 0) throw new Error("--host needs root: run it as root, or leave --host out for the VM");
  if (!existsSync("/dev/ublk-control")) {
    throw new Error("this machine has no /dev/ublk-control: run `modprobe ublk_drv`, or leave --host out for the VM");
  }
  if (Bun.which("unshare") === null) throw new Error("--host needs unshare (Debian: util-linux)");
  const child = Bun.spawn(["unshare", "--mount", "--propagation", "private", process.execPath, PROGRAM, ...options], {
    stdio: ["inherit", "inherit", "inherit"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  return await child.exited;
}

async function inVm(kernel: string | undefined, options: readonly string[]): Promise<number> {
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => abort.abort(128 + constants.signals[signal]));
  }
  try {
    const result = await runInVm({
      ...(kernel === undefined ? {} : { kernel }),
      command: ["bun", PROGRAM, ...options],
      timeoutSeconds: LIMIT_SECONDS,
      signal: abort.signal,
    });
    const mode = result.accelerator === "kvm" ? "" : " (an emulated processor: the figures say nothing about real hardware)";
    console.log(`Linux ${result.kernel} in a VM${mode}: boot ${result.bootSeconds.toFixed(1)} s, demo ${result.seconds.toFixed(1)} s.`);
    return result.status;
  } catch (error) {
    if (abort.signal.aborted) {
      console.error("\ndemo: interrupted; the VM and everything in it are gone");
      return abort.signal.reason as number;
    }
    throw error;
  }
}

async function main(): Promise<number> {
  process.chdir(join(import.meta.dir, ".."));
  let values: { host: boolean; kernel?: string | undefined; "no-fio": boolean; help: boolean };
  try {
    ({ values } = parseArgs({
      args: process.argv.slice(2),
      options: {
        host: { type: "boolean", default: false },
        kernel: { type: "string" },
        "no-fio": { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.host && values.kernel !== undefined) {
    console.error(`--kernel chooses the VM's kernel; it does not go with --host\n${USAGE}`);
    return 2;
  }
  try {
    const options = values["no-fio"] ? ["--no-fio"] : [];
    return await (values.host ? onHost(options) : inVm(values.kernel, options));
  } catch (error) {
    console.error(`demo: ${error instanceof VmError ? error.message : (error as Error).message}`);
    return 1;
  }
}

process.exit(await main());
