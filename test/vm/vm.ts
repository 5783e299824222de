import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { BootError, VmError } from "./failure.ts";
import { type GuestJob, guestEnvironment, guestFiles, guestProjectPath } from "./guest-job.ts";
import { runInitramfs } from "./initramfs.ts";
import type { Kernel } from "./kernels.ts";
import { ensureParts } from "./parts.ts";
import type { Accelerator } from "./qemu.ts";
import { checkBringPath, makeResultsDisk, unpackResults } from "./results.ts";
import { DEFAULT_SERIES, parseSeries } from "./series.ts";
import { openSession, type Session } from "./session.ts";
import { superviseGuest } from "./supervisor.ts";
import { ensureTools } from "./tools.ts";

export interface VmOptions {
  /** A series such as "7.2"; see series.ts. */
  readonly kernel?: string;
  readonly command: readonly string[];
  /** Look for a newer release of the kernel in the mirror first. */
  readonly refresh?: boolean;
  /** Count guest time in instructions, for figures that repeat. Slower, and both CPUs share one clock. */
  readonly icount?: boolean;
  readonly memoryMb?: number;
  readonly cpus?: number;
  /** For the VM's whole life, boot included; the first build of images does not count. */
  readonly timeoutSeconds?: number;
  /** Paths to copy back, relative to the project, beside everything under vm-out/. */
  readonly bring?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each piece of the command's output as it arrives. */
  readonly onOutput?: (text: string) => void;
  /** Write neither the command's output nor messages of our own. */
  readonly quiet?: boolean;
  /** Aborting kills the VM, cleans up and rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface VmResult {
  /** The command's exit status; 124 when the time limit ended it. */
  readonly status: number;
  readonly timedOut: boolean;
  readonly output: string;
  /** `uname -r` of the kernel that ran. */
  readonly kernel: string;
  readonly accelerator: Accelerator;
  /** Kernel messages of warning level or worse since the command began, each with its stack trace. */
  readonly kernelWarnings: readonly string[];
  /** When the time limit hit: the kernel's list of blocked tasks, and all threads with what they wait in. */
  readonly blockedTasks: string;
  /** From the start of QEMU to the start of the command. */
  readonly bootSeconds: number;
  /** The command's own time. */
  readonly seconds: number;
}

/** The project is where this file's package is, whatever directory the caller works in. */
const PROJECT = resolve(import.meta.dir, "../..");

/** Boots a kernel that has ublk and runs the command in a copy of the project there. */
export async function runInVm(options: VmOptions): Promise<VmResult> {
  const series = parseSeries(options.kernel ?? DEFAULT_SERIES);
  const bring = (options.bring ?? []).map(checkBringPath);
  if (options.command.length === 0) throw new VmError("There is no command to run in the VM.");
  if (process.platform !== "linux" || process.arch !== "x64") throw new VmError("The VM runs on Linux on x86-64 only.");

  const giveUp = new AbortController();
  const signal = AbortSignal.any([giveUp.signal, ...(options.signal ? [options.signal] : [])]);
  await using session = openSession(signal, (message) => {
    if (!options.quiet) process.stderr.write(`vm: ${message}\n`);
  });
  await ensureTools(session);
  const parts = await ensureParts(session, giveUp, {
    series,
    project: PROJECT,
    refresh: options.refresh ?? false,
    mayUseKvm: !options.icount,
  });

  const job: GuestJob = {
    nonce: randomBytes(8).toString("hex"),
    project: guestProjectPath(PROJECT),
    hasDependencies: parts.hasDependencies,
    command: options.command,
    environment: guestEnvironment(parts.kernel.name, options.env ?? {}),
    bring,
  };
  const results = makeResultsDisk(session.path("results.img"));
  const machine = {
    kernel: parts.kernel,
    initramfs: writeInitramfs(session, parts.kernel, job),
    accelerator: options.icount ? "icount" : parts.kvmWorks ? "kvm" : "tcg",
    memoryMb: options.memoryMb ?? 3072,
    cpus: options.cpus ?? 2,
    disks: [...parts.disks, { name: "results", image: results, access: "writable" }],
    portSocket: session.path("port"),
    temporaryDirectory: session.path("."),
  } as const;
  const { hasResults, ...result } = await bootTwiceAtMost(session, () =>
    superviseGuest({
      session,
      programs: parts.programs,
      machine,
      nonce: job.nonce,
      timeoutSeconds: options.timeoutSeconds ?? 600,
      onOutput(text) {
        if (!options.quiet) process.stdout.write(text);
        options.onOutput?.(text);
      },
    }),
  );
  if (hasResults) await unpackResults(results, PROJECT, signal);
  return { ...result, kernel: machine.kernel.name, accelerator: machine.accelerator };
}

/** A busy host can make an emulated boot fail, before the command has begun; what is broken fails twice. */
async function bootTwiceAtMost<T>(session: Session, boot: () => Promise<T>): Promise<T> {
  try {
    return await boot();
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    session.say(`${error.message}\nTrying once more.`);
    return await boot();
  }
}

function writeInitramfs(session: Session, kernel: Kernel, job: GuestJob): string {
  const path = session.path("initramfs");
  writeFileSync(path, Buffer.concat([readFileSync(kernel.initramfs), runInitramfs(guestFiles(job))]));
  return path;
}
