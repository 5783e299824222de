// usual kernels: the newest
// file timeout: 900 s
/**
 * The Worker-death procedure of DESIGN.md: whatever ends a serving thread under load leaves no client in D state, no device and no
 * hung process. The server program does what the documentation tells programs to do, `await disk.finished`, so that the rejection
 * ends it with status 1.
 */
import { afterEach, expect } from "bun:test";
import { haveUblk, isFullRun, ublkTest } from "../support/requires.ts";
import { fioToItsEnd } from "./support/fio.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";
import { Server } from "./support/server.ts";

const test = ublkTest(true);
const longTest = ublkTest(false);
const LOAD = { rw: "randrw", bs: "4k", iodepth: 8, numjobs: 2, thread: 1, time_based: 1, runtime: 60 } as const;
/** Only a hang takes that long, on the slowest machine. */
const FIO_MS = 55_000;
const LIMIT = 150_000;

/** Runs the server under load to its end, and looks at what is left. */
async function underLoad(...args: string[]) {
  await using server = await Server.start("death-server.ts", args);
  const load = fioToItsEnd(server.path, LOAD, FIO_MS);
  const ending = await server.end(FIO_MS);
  const status = await load;
  await until(() => stuckProcesses().length === 0, "free of processes in D state", 5_000).catch(() => {});
  return { ...ending, fio: status === undefined ? "hung" : status === 0 ? "whole" : "failed", devices: devices(), stuck: stuckProcesses() };
}

const NOTHING_LEFT = { fio: "failed", devices: [], stuck: [] };

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

for (const [grief, message] of [
  ["throw", /grief: a timer threw/],
  ["rejection", /grief: nobody handles this/],
  ["exit-in-handler", /process\.exit\(3\) was called in a thread that serves a disk; the disk is stopped instead/],
  ["exit-in-timer", /process\.exit\(3\) was called in a thread that serves a disk; the disk is stopped instead/],
] as const) {
  ublkTest(grief === "throw")(
    `a serving Worker under load: ${grief}`,
    async () => {
      const end = await underLoad(grief);
      expect(end).toMatchObject({ ...NOTHING_LEFT, status: 1 });
      expect(end.stderr).toMatch(message);
    },
    LIMIT,
  );
}

for (const after of ["terminate", "terminate-all"]) {
  for (const synchronous of ["", "synchronous"]) {
    ublkTest(false)(
      `a serving Worker under load: ${after} ${synchronous}`,
      async () => {
        const end = await underLoad("none", after, synchronous);
        expect(end).toMatchObject({ ...NOTHING_LEFT, status: 1 });
        expect(end.stderr).toMatch(/the Worker that served queue [01] ended/);
      },
      LIMIT,
    );
  }
}

ublkTest(false)(
  "a handler that awaits for ever: stop ends after its grace, with EIO for that request",
  async () => {
    const end = await underLoad("await-for-ever", "stop");
    expect(end).toMatchObject({ ...NOTHING_LEFT, status: 0 });
    expect(end.stdout).toContain("finished without an error");
  },
  LIMIT,
);

// On Linux 6.12 one exit in five lost a request, when the ring was closed beside the living thread.
const EXITS = isFullRun() ? 8 : 1;
test(
  "process.exit on the thread that serves, under load",
  async () => {
    for (let run = 0; run < EXITS; run++) {
      const end = await underLoad("exit-here", String(run * 7));
      expect({ run, ...end }).toMatchObject({ run, ...NOTHING_LEFT, status: 7, stderr: "" });
    }
  },
  LIMIT * EXITS,
);

// Bun can terminate a Worker that loops in JavaScript. One that hangs in a system call it cannot: then the process kills itself.
longTest(
  "a handler that spins for ever: stop gives it up, terminates its Worker and removes the device",
  async () => {
    const end = await underLoad("spin", "stop");
    expect(end.stderr).toMatch(/ETIMEDOUT .*stuck in a handler/);
    if (end.signal === null) {
      expect(end).toMatchObject({ ...NOTHING_LEFT, status: 1 });
      return;
    }
    // On a busy machine it may outlive the process's patience: then the process ends, and the kernel takes all of it back.
    expect(end).toMatchObject({ fio: "failed", stuck: [], signal: "SIGKILL" });
    expect(end.stderr).toMatch(/ending this process, so that the kernel fails the requests that clients wait for/);
    await until(() => devices().length === 0, "free of devices", 10_000); // a child deletes what is left
  },
  LIMIT,
);

longTest(
  "a handler that hangs in a system call: the process says why and kills itself",
  async () => {
    const end = await underLoad("hang", "stop");
    expect(end).toMatchObject({ fio: "failed", stuck: [], signal: "SIGKILL" });
    expect(end.stderr).toMatch(/ending this process, so that the kernel fails the requests that clients wait for/);
    await until(() => devices().length === 0, "free of devices", 10_000); // a child deletes what is left
  },
  LIMIT,
);

longTest(
  "somebody who keeps a dead disk open does not cost the process its life",
  async () => {
    await using server = await Server.start("death-server.ts", ["none", "terminate"]);
    const holder = Bun.spawn(["sh", "-c", `exec 3<${server.path}; echo open; read line`], { stdin: "pipe", stdout: "pipe" });
    await holder.stdout.getReader().read();
    const end = await server.end();
    holder.stdin.end();
    await holder.exited;
    expect(end).toMatchObject({ status: 1, signal: null });
    expect(end.stderr).toMatch(/the Worker that served queue 0 ended/);
    await until(() => devices().length === 0, "free of devices", 5_000);
  },
  LIMIT,
);
