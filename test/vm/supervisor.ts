import { createServer, type Socket } from "node:net";
import { GuestConsole } from "./console.ts";
import { BootError, VmError } from "./failure.ts";
import { GuestPort } from "./guest-port.ts";
import type { HostPrograms } from "./host-programs.ts";
import { kernelLines, kernelWarnings } from "./kernel-log.ts";
import { type Machine, type Qemu, startQemu, sysrq } from "./qemu.ts";
import type { Session } from "./session.ts";

interface Supervision {
  readonly session: Session;
  readonly programs: HostPrograms;
  readonly machine: Machine & { readonly portSocket: string };
  readonly nonce: string;
  readonly timeoutSeconds: number;
  readonly onOutput: (text: string) => void;
}

interface Outcome {
  readonly status: number;
  readonly timedOut: boolean;
  readonly output: string;
  readonly kernelWarnings: readonly string[];
  readonly blockedTasks: string;
  readonly bootSeconds: number;
  readonly seconds: number;
  readonly hasResults: boolean;
}

/** As timeout(1) has it. */
const TIMED_OUT = 124;

/** A boot that takes this long, even on a busy host, has got stuck. */
const BOOT_SECONDS = 180;

/** After the time limit: for the list of blocked tasks, then for the guest to stop the command and save results. */
const BLOCKED_TASKS_MS = 3000;
const STOP_MS = 8000;

/** Starts the machine and sees it through to its end: output, exit status, time limit, and nothing left running. */
export async function superviseGuest({ session, programs, machine, nonce, timeoutSeconds, onOutput }: Supervision): Promise<Outcome> {
  const console = new GuestConsole();
  const started = performance.now();
  const reported: {
    readyAt?: number;
    status?: string;
    statusAt?: number;
    logged?: boolean;
    results?: boolean;
  } = {};
  const processes: string[] = [];
  const log: string[] = [];
  let output = "";
  const commandBegan = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  const port = new GuestPort(nonce, {
    output(text) {
      output += text;
      onOutput(text);
    },
    report(word, rest) {
      if (word === "ready") {
        reported.readyAt = performance.now();
        commandBegan.resolve();
      } else if (word === "note") session.say(rest);
      else if (word === "process") processes.push(rest);
      else if (word === "log") log.push(rest);
      else if (word === "logged") reported.logged = true;
      else if (word === "results") reported.results = true;
      else if (word === "ended") reported.statusAt = performance.now();
      else if (word === "status") {
        reported.status = rest;
        finished.resolve();
      }
    },
  });

  await using guest = await listen(machine.portSocket, (chunk) => port.receive(chunk));
  const qemu = startQemu(programs, machine);
  const errors = new Response(qemu.stderr).text();
  const consoleEnd = follow(qemu.stdout, (chunk) => console.receive(chunk));
  const gone = qemu.exited.then(() => finished.resolve());
  session.signal.addEventListener("abort", () => finished.resolve(), { once: true });
  if (session.signal.aborted) finished.resolve();

  const ready = Promise.race([commandBegan.promise, finished.promise]);
  const booted = await within(ready, Math.min(timeoutSeconds, BOOT_SECONDS) * 1000);
  const secondsLeft = timeoutSeconds - (performance.now() - started) / 1000;
  const timedOut = booted && !(await within(finished.promise, secondsLeft * 1000));
  let blockedTasks = "";
  if (timedOut) {
    session.say(`the time limit of ${timeoutSeconds} s is over: asking the kernel for blocked tasks, then stopping the command`);
    blockedTasks = await askForBlockedTasks(qemu, console);
    guest.send("stop\n");
    await within(finished.promise, STOP_MS);
    blockedTasks += `\n${processes.join("\n")}`;
  }
  qemu.kill("SIGKILL");
  await Promise.all([gone, consoleEnd]);
  session.signal.throwIfAborted();

  if (reported.status === undefined && !timedOut) {
    const tail = `The end of its console:\n${console.tail(60)}\n${await errors}`.trimEnd();
    if (reported.readyAt === undefined) throw new BootError(`The VM did not get as far as running the command. ${tail}`);
    throw new VmError(`The VM ended without the command's exit status. ${tail}`);
  }
  const end = reported.statusAt ?? performance.now();
  const begin = reported.readyAt ?? end;
  return {
    status: timedOut ? TIMED_OUT : Number(reported.status),
    timedOut,
    output,
    // The log knows each line's level; where the guest could no longer send it, the console has to do.
    kernelWarnings: kernelWarnings(kernelLines(reported.logged ? log.join("\n") : console.sinceMark(nonce))),
    blockedTasks,
    bootSeconds: (begin - started) / 1000,
    seconds: (end - begin) / 1000,
    hasResults: reported.results ?? false,
  };
}

/** Whether the promise was fulfilled within the time. */
async function within(promise: Promise<void>, milliseconds: number): Promise<boolean> {
  let timer: Timer | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  const inTime = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}

/** SysRq w through the console, which works even when nothing in the guest's user space does. */
async function askForBlockedTasks(qemu: Qemu, console: GuestConsole): Promise<string> {
  const from = console.length;
  // 8 lets the list through, which is information to the kernel; w asks for it.
  for (const piece of [sysrq("8"), sysrq("w")].flat()) {
    qemu.stdin.write(piece);
    qemu.stdin.flush();
    await Bun.sleep(200); // a break and a letter that wait in the serial port together lose their order
  }
  const deadline = performance.now() + BLOCKED_TASKS_MS;
  let length = -1;
  // Until it has been quiet for half a second: the list of many tasks takes a while to print.
  while (performance.now() < deadline || console.length !== length) {
    if (console.length === length && length > from) break;
    length = console.length;
    await Bun.sleep(500);
  }
  return console.since(from).trim();
}

async function follow(stream: ReadableStream<Uint8Array>, receive: (chunk: Uint8Array) => void): Promise<void> {
  for await (const chunk of stream) receive(chunk);
}

interface GuestLine extends AsyncDisposable {
  send(text: string): void;
}

/** Listens for QEMU's end of the guest's port. */
async function listen(path: string, receive: (chunk: Uint8Array) => void): Promise<GuestLine> {
  if (Buffer.byteLength(path) > 107) throw new VmError(`The path ${path} is too long for a socket: set XDG_CACHE_HOME to a shorter one.`);
  let connection: Socket | undefined;
  const server = createServer((socket) => {
    connection = socket;
    socket.on("data", receive);
    socket.on("error", () => {}); // QEMU was killed with the connection open
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    send: (text) => void connection?.write(text),
    async [Symbol.asyncDispose]() {
      connection?.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
