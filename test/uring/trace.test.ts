/** `URING_UBLK_TRACE=1` tells every SQE and CQE in words; without it nothing of it is there. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { abi, RawRing } from "uring-ublk/uring";
import { layoutOf } from "../../src/uring/trace/layouts.ts";
import { runProgram } from "../support/child.ts";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { SHAPES } from "./shapes.ts";

setDefaultTimeout(30_000);

/** The lines on stderr of a way to use rings, without thread and ring, addresses and descriptors replaced by their kind. */
async function traced(way: string, trace = "1"): Promise<string[]> {
  const { status, stderr } = await runProgram("uring/programs/traced.ts", [way], { URING_UBLK_TRACE: trace });
  const lines = stderr.split("\n").filter((line) => line !== "");
  expect({ status, bad: lines.filter((line) => !/^(MARK |uring-ublk\[\d+\] ring \d+ [sc]qe )/.test(line)) }).toEqual({
    status: 0,
    bad: [],
  });
  // Since 7.1 a timer's time stands in the SQE: one says whether it may.
  return lines
    .filter((line) => !line.includes("timespec=0x1 ") && !/cqe 0\.2 TIMEOUT res=-62/.test(line))
    .map((line) =>
      line
        .replace(" flags=IMMEDIATE_ARG", "")
        .replace(/^uring-ublk\[\d+\] ring \d+ /, "")
        .replaceAll(/0x[0-9a-f]{6,}/g, "ADDRESS")
        .replaceAll(/fd=[1-9]\d?\b/g, "fd=FD"),
    );
}

describe("the trace", () => {
  test("tells operations of the described layer, their failures, cancels and multishot items", async () => {
    expect(await traced("described")).toEqual([
      "sqe 0.2 READ fd=FD offset=6 addr=ADDRESS len=13",
      "cqe 0.2 READ res=13",
      "sqe 0.4 READ fd=9999 offset=-1 addr=ADDRESS len=13",
      "cqe 0.4 READ res=-9 EBADF",
      "sqe 0.6 TIMEOUT timespec=ADDRESS timespecs=1",
      "sqe 1.2 ASYNC_CANCEL of=0.6",
      "cqe 1.2 ASYNC_CANCEL res=0",
      "cqe 0.6 TIMEOUT res=-125 ECANCELED",
      "sqe 0.8 OPENAT fd=-100 path=ADDRESS flags=0 mode=438 slot=any",
      "cqe 0.8 OPENAT res=0",
      "sqe 0.10 CLOSE fd=FD",
      "cqe 0.10 CLOSE res=0",
      "sqe 0.12 SEND fd=FD addr=ADDRESS len=5 msg_flags=0x4000",
      "cqe 0.12 SEND res=5",
      "sqe 0.14 RECV fd=FD addr=0 len=0 ioprio=MULTISHOT group=1 sqe_flags=BUFFER_SELECT",
      "cqe 0.14 RECV res=5 flags=BUFFER|MORE buf=0",
      "sqe 1.4 ASYNC_CANCEL of=0.14",
      "cqe 1.4 ASYNC_CANCEL res=0",
      "cqe 0.14 RECV res=-125 ECANCELED",
      "sqe 0.16 URING_CMD fd=FD cmd_op=0x1234 payload=0x201,0x0,0x0,0x0",
      "cqe 0.16 URING_CMD res=-95 EOPNOTSUPP",
      "sqe 0.18 NOP sqe_flags=IO_DRAIN|ASYNC",
      "cqe 0.18 NOP res=0",
    ]);
  });

  test("tells an SQE before the kernel has it, and a CQE before its handler runs", async () => {
    expect(await traced("raw")).toEqual([
      "MARK queued",
      "sqe 0.2 READ fd=FD offset=0 addr=ADDRESS len=5",
      "MARK entered",
      "cqe 0.2 READ res=5",
      "MARK reaped",
    ]);
  });

  requires(kernelAtLeast("6.19"), "SQEs of both sizes need Linux 6.19")(
    "tells SQEs of both sizes, and the fillers between them",
    async () => {
      const lines = await traced("mixed");
      expect(lines.filter((line) => line.startsWith("sqe 0.")).map((line) => line.split(" ")[2])).toEqual(
        Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? "NOP" : "NOP128")),
      );
      expect(lines.filter((line) => line.startsWith("cqe 0.")).length).toBe(6);
    },
  );

  test("tells each operation once, in rings of every shape", async () => {
    const sections = (await traced("shapes")).join("\n").split("MARK ").slice(1);
    const results = (text: string, pattern: RegExp): number[] => [...text.matchAll(pattern)].map(([, result = "0"]) => Number(result));
    const all = Array.from({ length: 40 }, (_, i) => i);
    expect(sections.map((text) => text.slice(0, text.indexOf("\n")))).toEqual(
      SHAPES.filter(({ since }) => kernelAtLeast(since)).map(({ name }) => name),
    );
    for (const section of sections) {
      const name = section.slice(0, section.indexOf("\n"));
      expect({ name, sqes: results(section, /^sqe \d+\.\d+ NOP (?:result=(\d+) )?flags=INJECT_RESULT$/gm) }).toEqual({ name, sqes: all });
      expect({ name, cqes: results(section, /^cqe \d+\.\d+ NOP res=(\d+)/gm).sort((a, b) => a - b) }).toEqual({ name, cqes: all });
    }
  });

  test("is off by default, and leaves a ring as it is", async () => {
    expect(await traced("described", "")).toEqual([]);
    expect(await traced("described", "0")).toEqual([]);
    using ring = new RawRing({ entries: 2 });
    expect(ring.trace).toBeUndefined();
    for (const method of ["publish", "taken", "dispatch"]) expect(Object.hasOwn(ring, method)).toBe(false);
  });

  test("refuses another value by name", async () => {
    const { status, stderr } = await runProgram("uring/programs/traced.ts", ["raw"], { URING_UBLK_TRACE: "yes" });
    expect(status).toBe(1);
    expect(stderr).toContain("URING_UBLK_TRACE is 'yes'; it must be '1' or '0'");
  });

  test("knows the fields of every opcode", () => {
    const operations = Object.keys(abi).filter((name) => name.startsWith("IORING_OP_") && name !== "IORING_OP_LAST");
    expect(operations.filter((name) => layoutOf(name.slice("IORING_OP_".length)).length === 0)).toEqual([]);
  });
});
