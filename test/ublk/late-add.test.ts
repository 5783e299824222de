// usual kernels: none
/**
 * An ADD_DEV that was given up at its time limit can still be carried out, when whatever held it up is gone: the driver adds and deletes
 * one device at a time, and a DEL_DEV may wait for a server that does not answer. The late device must not stay.
 */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { haveUblk, requires } from "../support/requires.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";
import { Server } from "./support/server.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = requires(haveUblk(), "needs a kernel with ublk");
const NEVER = ["bs=512K", "skip=3"] as const; // the server does not answer a read of this place

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

function start(...args: string[]) {
  return Bun.spawn([process.execPath, join(import.meta.dir, "support/tells.ts"), ...args], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, NO_COLOR: "1", URING_UBLK_TRACE: "1" },
  });
}

/** Whether a thread of the kernel that works for a process sleeps where nothing reaches it. */
function sleepsDeep(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some((tid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, "utf8");
      return stat.includes("(iou-wrk-") && stat.slice(stat.lastIndexOf(")") + 2).startsWith("D");
    } catch {
      return false; // it ended meanwhile
    }
  });
}

/** Whether a process has a disk open and waits for its answer: an open file, and a sleep that nothing interrupts. */
function waitsFor(pid: number, path: string): boolean {
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkOr(`/proc/${pid}/fd/${fd}`));
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return files.includes(path) && stat.slice(stat.lastIndexOf(")") + 2).startsWith("D");
}

function readlinkOr(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

test("a device that an ADD_DEV makes after its time limit is deleted, and the process ends when that is done", async () => {
  await using server = await Server.start("endings-server.ts", [""]);
  await server.said(/ready/, 60_000);
  const dd = ["dd", `if=${server.path}`, "of=/dev/null", ...NEVER, "count=1", "iflag=direct"];
  const reading = Bun.spawn(dd, { stdin: "ignore", stdout: "ignore", stderr: "pipe", env: { ...process.env, LC_ALL: "C" } });
  await until(() => waitsFor(reading.pid, server.path), "reading", 60_000); // a deletion before it would end the disk at once
  const deleting = start("delete", /\d+$/.exec(server.path)![0]);
  await until(() => sleepsDeep(deleting.pid), "waiting for the server's answer", 60_000);

  const serving = start("serve");
  const output = serving.stdout.getReader();
  const said = new TextDecoder().decode((await output.read()).value);
  expect(said).toMatch(/^served: UblkError: ublk ADD_DEV: ETIMEDOUT \(it took longer than 500 ms/);
  expect(serving.exitCode).toBe(null); // something of it is under way

  server.child.kill("SIGKILL"); // what the deletion waits for is answered, and what waits for the deletion goes on
  expect(await new Response(reading.stderr).text()).toContain("Input/output error");
  expect([await deleting.exited, await serving.exited]).toEqual([0, 0]);
  const trace = await new Response(serving.stderr).text();
  const [, late] = /cqe \S+ ADD_DEV res=0\n(.*)/s.exec(trace) ?? [];
  expect(late).toMatch(/cqe \S+ DEL_DEV res=0\n/);
});
