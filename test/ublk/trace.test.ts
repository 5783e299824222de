// usual kernels: the newest
// file timeout: 600 s
/** `URING_UBLK_TRACE=1` tells a disk's whole life: control commands, the commands of its tags, and the requests that arrive on them. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { devices, stuckProcesses } from "./support/machine.ts";
import { Server } from "./support/server.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const lending = requires(haveUblk() && kernelAtLeast("6.16"), "AUTO_BUF_REG needs ublk of Linux 6.16");

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** Serves a disk with the trace on, writes and reads a block of it, and stops it; answers the trace. */
async function life(program: string, args: readonly string[]): Promise<string> {
  await using server = await Server.start(program, args, { URING_UBLK_TRACE: "1" });
  const id = Number(/\d+$/.exec(server.path)![0]);
  const steps = [
    { do: "write", offset: 8192, length: 4096, fill: 1 },
    { do: "read", offset: 12288, length: 4096 },
  ] as const;
  expect(await client(server.path, [...steps])).toMatchObject([{ bytes: 4096 }, { bytes: 4096 }]);
  server.child.kill("SIGTERM");
  const { status, stderr } = await server.end();
  const strange = stderr.split("\n").filter((line) => !/^uring-ublk\[\d+\] ring \d+ [sc]qe \d+\.\d+ \S+( |$)|^MARK heap|^$/.test(line));
  expect({ status, strange }).toEqual({ status: 143, strange: [] });
  return stderr.replaceAll(`device=${id}`, "device=N");
}

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

/** What every life has: control commands in order, and a fetch and an end for every tag. */
function expectLife(trace: string, tags: number): void {
  const control = [...trace.matchAll(/ sqe \d+\.\d+ (\w+) (?=.*device=)/g)].map(([, name]) => name);
  const order = ["GET_FEATURES", "ADD_DEV", "SET_PARAMS", "START_DEV", "STOP_DEV", "DEL_DEV"];
  expect(control.filter((name, at) => order.includes(name!) && control.indexOf(name) === at)).toEqual(order);
  expect(trace).toMatch(/ADD_DEV fd=\d+ device=any addr=0x[0-9a-f]+ len=64\n/);
  expect(trace).toMatch(/START_DEV fd=\d+ device=N data=\d+\n/);
  expect(count(trace, / sqe \d+\.0 FETCH_REQ file=0 queue=\d tag=\d+ result=0 /g)).toBe(tags);
  expect(count(trace, / cqe \d+\.0 \w+ res=-19 ENODEV\n/g)).toBe(tags);
}

for (const [where, queues] of [
  ["closures", 1],
  ["workers", 2],
] as const) {
  ublkTest(false)(`the trace of a disk in copy mode, served by ${where}`, async () => {
    const trace = await life("endings-server.ts", ["", where]);
    expectLife(trace, 16 * queues);
    const written =
      / cqe (\d+)\.0 \w+ res=0 \| WRITE sector=16 sectors=8\n(?:.*\n)*? ?.*sqe \1\.0 COMMIT_AND_FETCH_REQ file=0 queue=\d tag=(\d+) result=4096 addr=0x/;
    expect(written.exec(trace)?.[2]).toBe(written.exec(trace)![1]);
    expect(trace).toMatch(/ cqe \d+\.0 \w+ res=0 \| READ sector=24 sectors=8\n/);
  });
}

lending("the trace of a disk whose requests' pages are lent", async () => {
  const trace = await life("garbage-server.ts", ["null"]);
  expectLife(trace, 32);
  expect(trace).toMatch(/ cqe \d+\.0 \w+ res=0 \| WRITE sector=16 sectors=8\n/);
  expect(trace).toMatch(/ COMMIT_AND_FETCH_REQ file=0 queue=0 tag=(\d+) result=4096 slot=\1 FALLBACK\n/);
});
