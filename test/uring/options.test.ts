import { describe, expect, test } from "bun:test";
import { FixedFile, nop, type Operation, Ring, read, recvMultishot, timeout, uringCmd, write } from "uring-ublk";
import { RawRing, type RingShape } from "uring-ublk/uring";

const open = (options: object): Promise<unknown> =>
  Ring.open(options as RingShape).then(
    (ring) => ring.close(),
    (error: unknown) => error,
  );

describe("a misspelt option", () => {
  test("of a ring names the right one", async () => {
    expect(await open({ entires: 8 })).toMatchObject({
      name: "TypeError",
      message: "Ring.open: there is no option 'entires'; did you mean 'entries'?",
    });
    expect(await open({ fixedFile: 8 })).toMatchObject({
      message: expect.stringContaining("did you mean 'fixedFiles'?"),
    });
    expect(await open({ xyzzy: 8 })).toMatchObject({
      message: expect.stringContaining("the options are entries, cqEntries"),
    });
    expect(await open({ sqpoll: { idle: 8 } })).toMatchObject({
      message: expect.stringContaining("did you mean 'idleMs'?"),
    });
    expect(() => new RawRing({ entires: 8 } as RingShape)).toThrow(/did you mean 'entries'/);
    expect(() => new RawRing({}, { slot: 8 } as object)).toThrow(/did you mean 'slots'/);
  });

  test("of an operation names the right one, before anything is queued", () => {
    expect(() => read({ fd: 0, bufer: new Uint8Array(1) } as never)).toThrow("read: there is no option 'bufer'; did you mean 'buffer'?");
    expect(() => write({ fd: 0, buffer: new Uint8Array(1), ofset: 0 } as never)).toThrow(/did you mean 'offset'/);
    expect(() => nop({ resullt: 1 } as never)).toThrow(/did you mean 'result'/);
    expect(() => timeout({ ms: 1, secs: 2 } as never)).toThrow(TypeError);
    expect(() => uringCmd({ fd: 1, cmdop: 2 } as never)).toThrow(/did you mean 'cmdOp'/);
  });

  test("of a run names the right one", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const { signal } = new AbortController();
    expect(() => ring.run(nop(), { singal: signal } as object)).toThrow(/did you mean 'signal'/);
    expect(() => ring.run(nop(), { signal: {} } as object)).toThrow(/must be an AbortSignal/);
    expect(ring.raw.inFlight).toBe(0);
  });
});

describe("a bad value", () => {
  const cases: [shape: object, message: string][] = [
    [{ entries: 0 }, "entries is 0; it must be an integer from 1 to 32768"],
    [{ entries: 1.5 }, "entries is 1.5"],
    [{ entries: "8" }, "entries is '8'"],
    [{ entries: 64, cqEntries: 8 }, "cqEntries is 8; it must be at least entries (64)"],
    [{ sqe: 96 }, "sqe is 96; it must be 64, 128 or 'mixed'"],
    [{ cqe: 64 }, "cqe is 64; it must be 16, 32 or 'mixed'"],
    [{ taskrun: "deffer" }, "did you mean 'defer'"],
    [{ taskrun: "coop", sqpoll: true }, "which SQPOLL excludes"],
    [{ taskrun: "defer", singleIssuer: false }, "needs singleIssuer"],
    [{ registeredFdOnly: true }, "needs ownMemory"],
    [{ rewind: true, sqArray: true }, "rewind excludes sqpoll and sqArray"],
    [{ sqe: "mixed", entries: 1 }, "entries is 1; sqe 'mixed' needs at least 2"],
    [{ cqe: "mixed", entries: 1, cqEntries: 1 }, "cqEntries is 1; cqe 'mixed' needs at least 2"],
    [{ sqe: "mixed", sqArray: true }, "'mixed' excludes sqArray"],
    [{ clamp: 1 }, "clamp is 1; it must be true or false"],
    [{ sqpoll: "yes" }, "sqpoll is 'yes'; it must be true or false"],
    [{ sqpoll: { idleMs: -1 } }, "idleMs is -1"],
    [{ iopoll: "hybird" }, "iopoll is 'hybird'"],
    [{ attachTo: -1 }, "attachTo is -1"],
    [{ fixedBuffers: 16385 }, "fixedBuffers is 16385; it must be an integer from 0 to 16384"],
    [{ fixedFiles: -1 }, "fixedFiles is -1"],
  ];
  for (const [shape, message] of cases) {
    test(`says what it is and what it must be: ${JSON.stringify(shape)}`, async () => {
      const error = (await open(shape)) as Error;
      expect(error).toBeInstanceOf(Error);
      expect(["RangeError", "TypeError"]).toContain(error.name);
      expect(error.message).toContain(message);
    });
  }

  test("of a handle is refused where it is made", () => {
    expect(() => new FixedFile(-1)).toThrow(RangeError);
    expect(() => new FixedFile(1.5)).toThrow(RangeError);
  });
});

describe("what is no operation", () => {
  test("is refused by run, and a multishot one by settle", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(() => ring.run({} as Operation<number>)).toThrow(/give it an operation/);
    expect(() => ring.run(undefined as never)).toThrow(TypeError);
    const group = ring.bufferGroup({ buffers: 2, size: 16 });
    expect(() => ring.settle(recvMultishot({ fd: 0, group }) as never)).toThrow(/completes many times; iterate/);
  });
});
