import { describe, expect, test } from "bun:test";
import { fstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  AF_UNIX,
  acceptMultishot,
  all,
  chain,
  close,
  deadline,
  fsync,
  ftruncate,
  group,
  type Member,
  nop,
  type Operation,
  openat,
  type Part,
  Ring,
  read,
  readProvided,
  retry,
  ShortTransferError,
  SOCK_STREAM,
  send,
  sendZc,
  socket,
  splice,
  step,
  TimeLimitError,
  timeout,
  UringError,
  within,
  write,
} from "uring-ublk";
import { type RingSyscalls, ringSyscalls, sys } from "uring-ublk/ffi";
import { ROOT } from "../support/child.ts";
import { memoryFile, openOf, pattern, pipe, socketPair } from "./support/descriptors.ts";
import { failure, tcp } from "./support/network.ts";
import { brief } from "./support/outcome.ts";

const LONG = 60_000;
/** After this all that completes at once has completed, also on an emulated machine. */
const SOON = 40;
const fail = (errno = 5): Operation<number> => nop({ result: -errno });
/** Completes at once, with something that must be given back. */
const unix = (): Operation<number> => socket({ domain: AF_UNIX, type: SOCK_STREAM });
const never = (): Operation<unknown> => timeout({ ms: LONG });

function expectEmpty(ring: Ring): void {
  expect([ring.inFlight, ring.raw.inFlight, ring.raw.queued]).toEqual([0, 0, 0]);
}

/** Nothing is left in the ring, and all of its room can be had again. */
async function expectWhole(ring: Ring): Promise<void> {
  expect(ring.inFlight).toBe(0);
  for (let turn = 0; turn < 1000 && ring.raw.inFlight > 0; turn++) await Bun.sleep(1); // a cancel that crossed with what it was for
  expectEmpty(ring);
  const { cqEntries } = ring.record;
  const parts = Array.from({ length: cqEntries }, () => nop());
  expect((await ring.run(all(...parts))).length).toBe(cqEntries);
  expectEmpty(ring);
}

/** Steps that note when they run. */
function journal() {
  const lines: string[] = [];
  return {
    lines,
    /** A step that does nothing but note its name. */
    note: (name: string, result = 0) =>
      step(() => {
        lines.push(name);
        return nop({ result });
      }),
  };
}

describe("operations in a plan", () => {
  test("O1 fail with a negative result, unless it is a result of theirs", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(brief(await ring.settle(chain(timeout({ ms: 1 }), nop({ result: 7 }), fail(28))))).toBe(
      "failed:ENOSPC[fulfilled fulfilled failed:ENOSPC]",
    );
    const error = await failure(ring.run(all(nop(), read({ fd: 9999, buffer: new Uint8Array(1) }))));
    expect(error).toBeInstanceOf(UringError);
    expect(error).toMatchObject({ code: "EBADF", operation: "read" });
    await expectWhole(ring);
  });

  test("O2 may be short, unless they must be exact", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(100));
    const short = read({ fd: file.first, buffer: new Uint8Array(200), offset: 0 });
    expect(await ring.run(chain(short, nop()))).toEqual([100, 0]);
    const outcome = await ring.settle(chain(short.exact(), nop()));
    expect(brief(outcome)).toBe("failed:EIO[failed:EIO unstarted]");
    const [first] = outcome.steps;
    expect(first.status === "failed" && first.reason).toMatchObject({ name: "ShortTransferError", bytes: 100, expected: 200 });
    expect(await ring.run(chain(short.exact().allowShort(), nop()))).toEqual([100, 0]);
    // The same outside plans.
    expect(await failure(ring.run(short.exact()))).toBeInstanceOf(ShortTransferError);
    expect(await ring.run(read({ fd: file.first, buffer: new Uint8Array(100), offset: 0 }).exact())).toBe(100);
    expect(await ring.run(write({ fd: file.first, buffer: pattern(50), offset: 0 }).exact())).toBe(50);
    expect(await ring.run(within(read({ fd: file.first, buffer: new Uint8Array(1), offset: 5 }).exact(), LONG))).toBe(1);
    await expectWhole(ring);
  });

  test("O2 of every kind of transfer know how much they are asked for", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    using file = memoryFile(pattern(100));
    using ends = pipe();
    using sockets = socketPair();
    const { readFixed, readv, readvFixed, recv, tee, writeFixed, writev } = await import("uring-ublk");
    const [fd, offset] = [file.first, 90];
    const buffer = ring.fixedBuffer(64);
    const scattered = readvFixed({ fd, buffers: [buffer.slice(0, 8), buffer.slice(32, 8)], offset });
    const shortOnes = [
      read({ fd, buffer: new Uint16Array(8), offset }).exact(),
      readFixed({ fd, buffer: buffer.slice(0, 16), offset }).exact(),
      readv({ fd, buffers: [new Uint8Array(8), new Uint8Array(8)], offset }).exact(),
      ...(ring.supports(scattered) ? [scattered.exact()] : []),
    ];
    for (const transfer of shortOnes) expect(await failure(ring.run(transfer))).toMatchObject({ bytes: 10, expected: 16 });
    expect(await ring.run(writeFixed({ fd, buffer: buffer.slice(0, 20), offset: 0 }).exact())).toBe(20);
    expect(await ring.run(writev({ fd, buffers: [pattern(3), pattern(4)], offset: 0 }).exact())).toBe(7);
    sys.write(ends.second, pattern(5));
    using further = pipe();
    const move = { fdIn: ends.first, fdOut: further.second, length: 6 };
    expect(await failure(ring.run(tee(move).exact()))).toMatchObject({ bytes: 5, expected: 6 });
    expect(await failure(ring.run(splice(move).exact()))).toMatchObject({ bytes: 5, expected: 6 });
    expect(await ring.run(send({ fd: sockets.first, buffer: pattern(9) }).exact())).toBe(9);
    expect(await failure(ring.run(recv({ fd: sockets.second, buffer: new Uint8Array(10) }).exact()))).toMatchObject({ bytes: 9 });
  });

  test("O3 that cannot be encoded fail alone", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const odd = read({ fd: 3, buffer: new Uint8Array(1), offset: -7 });
    const outcome = await ring.settle(chain.hard(nop(), odd, nop()));
    expect(brief(outcome)).toBe("failed:RangeError[fulfilled failed:RangeError fulfilled]");
    expect(await failure(ring.run(all(odd, nop())))).toMatchObject({ message: expect.stringMatching(/offset is -7/) });
    await expectWhole(ring);
  });

  test("O4 that the kernel does not have end it before anything is submitted", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const unknown = openat({ path: "/" });
    // As the probe of an older kernel would tell it.
    (ring as unknown as { kernel: { opcode(opcode: number): boolean } }).kernel.opcode = (opcode) => opcode !== unknown.opcode;
    const { lines, note } = journal();
    const plan = chain(nop(), note("made"), unknown);
    expect(await failure(ring.run(plan))).toMatchObject({ code: "EOPNOTSUPP", operation: "openat" });
    const outcome = await ring.settle(plan);
    expect(brief(outcome)).toBe("unstarted[unstarted unstarted unstarted]");
    expect(outcome.status === "unstarted" && outcome.reason).toMatchObject({ code: "EOPNOTSUPP" });
    expect(lines).toEqual([]);
    // Found out later, it is the step's failure.
    const late = chain(
      nop(),
      step(() => unknown),
      nop(),
    );
    expect(brief(await ring.settle(late))).toBe("failed:EOPNOTSUPP[fulfilled failed:EOPNOTSUPP unstarted]");
    await expectWhole(ring);
  });

  test("O5 that send without copying are over with the notification", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = await tcp(ring);
    const sent = sendZc({ fd: ends.near.fd, buffer: pattern(100) });
    if (!ring.supports(sent)) return; // 5.19 has no zero-copy sends; every kernel that tests has
    const seen: unknown[] = [];
    const plan = chain(
      sent,
      step(({ bytes, released }) => {
        seen.push(bytes, Bun.peek.status(released));
        return nop();
      }),
    );
    await ring.run(plan);
    expect(seen).toEqual([100, "fulfilled"]);
    await expectWhole(ring);
  });
});

describe("a chain", () => {
  test("C1 begins a step when the one before is over", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const { lines, note } = journal();
    const running = ring.run(
      chain(
        nop(),
        note("one"),
        read({ fd: ends.first, buffer: new Uint8Array(1) }),
        step((bytes) => {
          lines.push(`read ${bytes}`);
          return nop({ result: bytes + 1 });
        }),
      ),
    );
    while (lines.length === 0) await Bun.sleep(1);
    await Bun.sleep(SOON);
    expect(lines).toEqual(["one"]);
    expect(ring.inFlight).toBe(1);
    sys.write(ends.second, Uint8Array.of(9));
    expect(await running).toEqual([0, 0, 1, 2]);
    expect(lines).toEqual(["one", "read 1"]);
    await expectWhole(ring);
  });

  test("C2 ends with the first step that fails, also one that severs no link of the kernel", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const { lines, note } = journal();
    const outcome = await ring.settle(chain(nop(), fsync({ fd: 9999 }), note("after"), nop()));
    expect(brief(outcome)).toBe("failed:EBADF[fulfilled failed:EBADF unstarted unstarted]");
    if (outcome.status !== "failed") throw new Error("it did not fail");
    expect(outcome.reason).toMatchObject({ code: "EBADF", operation: "fsync" });
    const last = outcome.steps[3];
    expect(last).toEqual({ status: "unstarted", code: "ECANCELED", reason: outcome.reason });
    expect(lines).toEqual([]);
    await expectWhole(ring);
  });

  test("C3 takes its always() steps in their turn, whatever became of those before", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const outcome = await ring.settle(chain(nop(), fail(), nop().always(), nop(), chain(nop(), nop()).always()));
    expect(brief(outcome)).toBe("failed:EIO[fulfilled failed:EIO fulfilled unstarted fulfilled[fulfilled fulfilled]]");
    // Also when it is aborted: the descriptor is closed.
    const before = openOf();
    using ends = pipe();
    const controller = new AbortController();
    const reason = new Error("enough");
    const aborted = ring.settle(
      chain(
        unix(),
        step((fd) => chain(read({ fd: ends.first, buffer: new Uint8Array(1) }), nop(), close({ fd }).always())),
        nop().always(),
      ),
      { signal: controller.signal },
    );
    await Bun.sleep(SOON);
    expect(openOf()).toBe(before + 1);
    controller.abort(reason);
    expect(brief(await aborted)).toBe("cancelled[fulfilled cancelled[cancelled unstarted fulfilled] fulfilled]");
    expect(openOf()).toBe(before);
    await expectWhole(ring);
  });

  test("C3 does not cancel an always() step", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const outcome = await ring.settle(deadline(chain(never(), timeout({ ms: 40 }).always(), nop()), SOON));
    expect(brief(outcome)).toBe("failed:ETIME[cancelled[cancelled fulfilled unstarted]]");
    await expectWhole(ring);
  });

  test("C4 has failed with the error that came first", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(chain(nop(), fail(5).always())))).toMatchObject({ code: "EIO" });
    expect(await failure(ring.run(chain(nop(), fail(28), fail(5).always())))).toMatchObject({ code: "ENOSPC" });
    await expectWhole(ring);
  });

  test("C5 that is hard takes every step", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(chain.hard(nop(), nop({ result: 3 })))).toEqual([0, 3]);
    expect(brief(await ring.settle(chain.hard(fail(28), nop(), fail(5), nop())))).toBe(
      "failed:ENOSPC[failed:ENOSPC fulfilled failed:EIO fulfilled]",
    );
    const aborted = ring.settle(chain.hard(fail(), never(), nop(), nop().always()), { signal: AbortSignal.timeout(SOON) });
    expect(brief(await aborted)).toBe("failed:EIO[failed:EIO cancelled unstarted fulfilled]");
    await expectWhole(ring);
  });

  test("C6 gives a step what the one before resolved to, and does not call it otherwise", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const seen: unknown[] = [];
    const look = step((previous: unknown) => {
      seen.push(previous);
      return nop({ result: 4 });
    });
    await ring.run(chain(all(nop(), nop({ result: 2 })), look, look, timeout({ ms: 1 }), look));
    expect(seen).toEqual([[0, 2], 4, "elapsed"]);
    await ring.settle(chain(fail(), look));
    await ring.settle(chain(never(), look), { signal: AbortSignal.timeout(SOON) });
    expect(seen.length).toBe(3);
    // The function itself may be what aborts.
    const controller = new AbortController();
    const suicide = chain(
      nop(),
      step(() => {
        controller.abort();
        return nop();
      }),
      look,
    );
    expect(brief(await ring.settle(suicide, { signal: controller.signal }))).toBe("cancelled[fulfilled unstarted unstarted]");
    expect(seen.length).toBe(3);
    await expectWhole(ring);
  });

  test("C7 has failed when a function throws, or returns what cannot be run", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 8 });
    const ends = async (make: () => unknown) => failure(ring.run(chain(nop(), step(make as () => Operation<number>), nop())));
    expect(
      await ends(() => {
        throw new Error("mine");
      }),
    ).toMatchObject({ message: "mine" });
    expect(await ends(() => undefined)).toMatchObject({ message: expect.stringMatching(/what the function returned is undefined/) });
    expect(await ends(() => Promise.reject(new Error("later")))).toMatchObject({ message: expect.stringMatching(/returned a promise/) });
    expect(await ends(() => nop().always())).toMatchObject({ message: expect.stringMatching(/always/) });
    expect(await ends(() => acceptMultishot({ fd: 3 }))).toMatchObject({ message: expect.stringMatching(/completes many times/) });
    expect(await ends(() => nop().drain())).toMatchObject({ message: expect.stringMatching(/drain/) });
    expect(await ends(() => all(...Array.from({ length: 9 }, () => nop())))).toBeInstanceOf(RangeError);
    await expectWhole(ring);
  });

  test("C7 of many steps that are over at once does not nest", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const odd = read({ fd: 3, buffer: new Uint8Array(1), offset: -7 });
    const outcome = await ring.settle(chain.hard(odd, ...Array.from({ length: 20_000 }, () => odd)));
    expect(outcome.status).toBe("failed");
    await expectWhole(ring);
  });
});

describe("a chain through links of the kernel", () => {
  /** How many SQEs went out in each enter. */
  function entersOf(ring: Ring): number[] {
    const enters: number[] = [];
    const { raw } = ring;
    const { enter } = raw;
    (raw as { enter: typeof enter }).enter = (min, timeoutNs) => {
      if (raw.queued > 0) enters.push(raw.queued);
      return enter.call(raw, min, timeoutNs);
    };
    return enters;
  }

  test("L1 goes out in one submit, as far as it is operations", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const enters = entersOf(ring);
    using file = memoryFile(pattern(100));
    const buffer = new Uint8Array(100);
    const copy = chain(read({ fd: file.first, buffer, offset: 0 }).exact(), write({ fd: file.first, buffer, offset: 50 }).exact(), nop());
    expect(await ring.run(copy)).toEqual([100, 100, 0]);
    expect(enters).toEqual([3]);
    expect(fstatSync(file.first).size).toBe(150);
    enters.length = 0;
    expect(await ring.run(copy, { links: false })).toEqual([100, 100, 0]);
    expect(enters).toEqual([1, 1, 1]);
    enters.length = 0;
    await ring.run(
      chain(
        nop(),
        nop(),
        step(() => nop()),
        chain.hard(nop(), nop()),
        nop().always(),
        nop(),
        nop(),
      ),
    );
    expect(enters).toEqual([2, 1, 2, 1, 2]);
    enters.length = 0;
    // A hard chain that may be aborted goes step by step: the kernel would start what follows what was cancelled.
    await ring.run(chain.hard(nop(), nop()), { signal: new AbortController().signal });
    await ring.run(deadline(chain.hard(nop(), nop()), LONG));
    expect(enters.slice(0, 2)).toEqual([1, 1]);
    await expectWhole(ring);
  });

  test("L2 never goes across what does not sever a link when it fails", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const enters = entersOf(ring);
    using file = memoryFile(pattern(4));
    await ring.run(chain(nop(), fsync({ fd: file.first }), nop(), nop()));
    expect(enters).toEqual([2, 2]);
    enters.length = 0;
    // A receive that is short severs nothing without MSG_WAITALL: not if it must be whole.
    await ring.settle(chain(nop(), send({ fd: 9999, buffer: pattern(1) }).exact(), nop()));
    expect(enters).toEqual([2]);
    await expectWhole(ring);
  });

  test("L3 goes on where the kernel ended it and the rules do not", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const enters = entersOf(ring);
    using file = memoryFile(pattern(10));
    const short = read({ fd: file.first, buffer: new Uint8Array(20), offset: 0 });
    expect(await ring.run(chain(nop(), short, nop({ result: 2 }), nop({ result: 3 })))).toEqual([0, 10, 2, 3]);
    expect(enters).toEqual([4, 2]);
    enters.length = 0;
    // An SQE that the kernel does not take ends all of its chain, what stands before it too.
    const refused = read({ fd: file.first, buffer: new Uint8Array(1), offset: 0, ioprio: 0xe000 });
    expect(brief(await ring.settle(chain(nop(), nop(), refused, nop())))).toBe(
      "failed:EINVAL[fulfilled fulfilled failed:EINVAL unstarted]",
    );
    expect(enters).toEqual([4, 1, 1, 1]);
    expect(brief(await ring.settle(chain.hard(nop(), refused, nop())))).toBe("failed:EINVAL[fulfilled failed:EINVAL fulfilled]");
    await expectWhole(ring);
  });

  test("L4 goes step by step where there is no room for more", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    using ends = pipe();
    const waiting = Array.from({ length: 2 }, () => ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    await Bun.sleep(SOON);
    const enters = entersOf(ring);
    await ring.run(chain(nop(), nop(), nop()));
    expect(enters).toEqual([1, 1, 1]);
    sys.write(ends.second, new Uint8Array(2));
    await Promise.all(waiting);
    // Where a kernel thread submits as well: a chain ends where a submit does, and nobody knows where that is.
    await using polled = await Ring.open({ entries: 8, sqpoll: true });
    expect(await polled.run(chain(nop(), nop({ result: 1 }), nop({ result: 2 })))).toEqual([0, 1, 2]);
    await expectWhole(ring);
  });

  test("L5 is cancelled as a whole", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const controller = new AbortController();
    const plan = chain(nop(), read({ fd: ends.first, buffer: new Uint8Array(1) }), nop(), timeout({ ms: 1 }));
    const settling = ring.settle(plan, { signal: controller.signal });
    await Bun.sleep(SOON);
    expect(ring.inFlight).toBe(3); // the read, and what is linked behind it
    controller.abort();
    expect(brief(await settling)).toBe("cancelled[fulfilled cancelled unstarted unstarted]");
    await expectWhole(ring);
  });

  test("C2 nothing behind a failure was begun, whatever the kernel says of it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(4));
    const refused = read({ fd: file.first, buffer: new Uint8Array(1), offset: 0, ioprio: 0xe000 });
    expect(brief(await ring.settle(chain(refused, refused, nop())))).toBe("failed:EINVAL[failed:EINVAL unstarted unstarted]");
    await expectWhole(ring);
  });

  test("L6 leaves the ring able to drain", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(chain(nop({ result: 1 }), nop({ result: 2 }), nop({ result: 3 })))).toEqual([1, 2, 3]);
    expect(await ring.run(group(nop(), [nop(), nop()], { oneSubmit: true }))).toEqual({ leader: 0, members: [0, 0] });
    expect(await ring.run(nop({ result: 4 }).drain())).toBe(4);
  });
});

describe("a group", () => {
  const started = (lines: string[], name: string) =>
    step(() => {
      lines.push(name);
      return nop();
    });

  test("G1 runs its leader alone first", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const lines: string[] = [];
    const running = ring.run(group(read({ fd: ends.first, buffer: new Uint8Array(1) }), [started(lines, "a"), started(lines, "b")]));
    await Bun.sleep(SOON);
    expect([lines, ring.inFlight]).toEqual([[], 1]);
    sys.write(ends.second, Uint8Array.of(1));
    expect(await running).toEqual({ leader: 1, members: [0, 0] });
    expect(lines).toEqual(["a", "b"]);
    await expectWhole(ring);
  });

  test("G2 begins its members together, in one enter", async () => {
    await using ring = await Ring.open({ entries: 16 });
    const enters: number[] = [];
    const { raw } = ring;
    const { enter } = raw;
    (raw as { enter: typeof enter }).enter = (min, timeoutNs) => {
      if (raw.queued > 0) enters.push(raw.queued);
      return enter.call(raw, min, timeoutNs);
    };
    const members = [nop(), chain(nop(), nop()), nop(), all(nop(), nop())] as const;
    await ring.run(group(nop(), members), { links: false });
    expect(enters).toEqual([1, 5, 1]);
    enters.length = 0;
    await ring.run(group(nop(), members)); // a chain among them is handed over as a whole
    expect(enters).toEqual([1, 6]);
    // The members of several groups as well.
    enters.length = 0;
    await Promise.all([ring.run(group(nop(), [nop(), nop()])), ring.run(group(nop(), [nop(), nop(), nop()]))]);
    expect(enters).toEqual([2, 5]);
  });

  test("G3 is over when its last member is, and is one node of what contains it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const lines: string[] = [];
    const first = group(nop(), [timeout({ ms: 20 }), started(lines, "member")]);
    const second = group(all(first, nop()), [started(lines, "second"), started(lines, "second")], { release: started(lines, "release") });
    await ring.run(chain(second, started(lines, "after")));
    expect(lines).toEqual(["member", "second", "second", "release", "after"]);
    await expectWhole(ring);
  });

  test("G4 starts no member when the leader fails", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const lines: string[] = [];
    const plan = group(fail(), [started(lines, "a"), nop()], { release: started(lines, "release") });
    const outcome = await ring.settle(chain(plan, started(lines, "after")));
    expect(brief(outcome)).toBe("failed:EIO[failed:EIO[failed:EIO (unstarted unstarted) unstarted] unstarted]");
    expect(outcome.steps[0].status === "failed" && outcome.steps[0].members[1]).toMatchObject({
      code: "ECANCELED",
      reason: { code: "EIO" },
    });
    expect(lines).toEqual([]);
    await expectWhole(ring);
  });

  test("G5 lets the other members run on when one fails", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const outcome = await ring.settle(chain(group(nop(), [fail(), timeout({ ms: 10 }), chain(nop(), nop())]), nop()));
    expect(brief(outcome)).toBe("failed:EIO[failed:EIO[fulfilled (failed:EIO fulfilled fulfilled[fulfilled fulfilled])] unstarted]");
    await expectWhole(ring);
  });

  test("G5 cancels them on request", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const members = [chain(timeout({ ms: 5 }), fail()), never(), chain(never(), nop()), nop()] as const;
    const outcome = await ring.settle(group(nop(), members, { onFailure: "cancel" }));
    expect(brief(outcome)).toBe(
      "failed:EIO[fulfilled (failed:EIO[fulfilled failed:EIO] cancelled cancelled[cancelled unstarted] fulfilled)]",
    );
    expect(outcome.members[1]).toMatchObject({ code: "ECANCELED", reason: { cause: { code: "EIO" } } });
    // Those that were not begun when one failed at once never are.
    const odd = read({ fd: 3, buffer: new Uint8Array(1), offset: -7 });
    const lines: string[] = [];
    const quick = await ring.settle(group(nop(), [nop(), odd, started(lines, "late")], { onFailure: "cancel" }));
    expect(brief(quick)).toBe("failed:RangeError[fulfilled (fulfilled failed:RangeError unstarted)]");
    expect(lines).toEqual([]);
    await expectWhole(ring);
  });

  test("G6 refuses what may not stand inside", async () => {
    const bad = (member: unknown) => () => group(nop(), [nop(), member as Operation<number>]);
    expect(bad(nop().drain())).toThrow(/member 2 is a 'nop' that drains/);
    expect(bad(within(nop(), 5))).toThrow(/link timeout.*deadline/);
    expect(bad(acceptMultishot({ fd: 3 }))).toThrow(/'acceptMultishot', which completes many times/);
    expect(bad(nop().always())).toThrow(/always/);
    expect(bad(5)).toThrow(/member 2 is 5/);
    expect(() => group(within(nop(), 5) as Operation<number>, [nop()])).toThrow(/leader is a 'nop' with a link timeout/);
    expect(() => group(nop(), [] as unknown as [Operation<number>])).toThrow(/no members/);
    await using ring = await Ring.open({ entries: 8 });
    expect(brief(await ring.settle(group(nop(), [deadline(never(), 5), nop()])))).toBe(
      "failed:ETIME[fulfilled (failed:ETIME[cancelled] fulfilled)]",
    );
    await expectWhole(ring);
  });

  test("G7 fails by the library's rule", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(10));
    const short = read({ fd: file.first, buffer: new Uint8Array(20), offset: 0 });
    expect(await ring.run(group(short, [short]))).toEqual({ leader: 10, members: [10] });
    expect(brief(await ring.settle(group(short.exact(), [nop()])))).toBe("failed:EIO[failed:EIO (unstarted)]");
    expect(brief(await ring.settle(group(nop(), [short.exact(), ftruncate({ fd: 9999, length: 0 })])))).toBe(
      "failed:EIO[fulfilled (failed:EIO failed:EBADF)]",
    );
    await expectWhole(ring);
  });

  test("G8 gives back once what the leader provided, after the last member, whatever became of them", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const lines: string[] = [];
    const release = step((fd: number) => {
      lines.push(`release ${fd}`);
      return nop();
    });
    const leader = nop({ result: 7 });
    const late = chain(timeout({ ms: 15 }), started(lines, "late"));
    for (const members of [
      [late, nop()],
      [late, fail()],
      [fail(), late, fail()],
    ] as Member<number>[][]) {
      lines.length = 0;
      await ring.settle(group(leader, members as unknown as [Member<number>], { release }));
      expect(lines).toEqual(["late", "release 7"]);
    }
    lines.length = 0;
    const controller = new AbortController();
    const aborted = ring.settle(group(leader, [never(), nop()], { release }), { signal: controller.signal });
    await Bun.sleep(SOON);
    controller.abort();
    expect(brief(await aborted)).toBe("cancelled[fulfilled (cancelled fulfilled) fulfilled]");
    expect(lines).toEqual(["release 7"]);
    // A release that fails fails the group; one that takes long is not cancelled.
    expect(brief(await ring.settle(group(leader, [nop()], { release: fail() })))).toBe("failed:EIO[fulfilled (fulfilled) failed:EIO]");
    expect(brief(await ring.settle(deadline(group(leader, [never()], { release: timeout({ ms: 30 }) }), SOON)))).toBe(
      "failed:ETIME[cancelled[fulfilled (cancelled) fulfilled]]",
    );
    await expectWhole(ring);
  });

  test("G8 gives it back too when the leader's success crosses with an abort", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const before = openOf();
    let released = 0;
    for (let round = 0; round < 40; round++) {
      const controller = new AbortController();
      const release = step((fd: number) => {
        released++;
        return close({ fd });
      });
      const plan = group(unix(), [nop()], { release });
      const settling = ring.settle(plan, { signal: controller.signal });
      if (round % 2 === 0) ring.raw.enter(0); // opened; the completion has not been seen
      controller.abort();
      const outcome = await settling;
      expect(["cancelled", "unstarted"]).toContain(outcome.status);
      expect(outcome.release?.status).toBe(outcome.leader.status === "fulfilled" ? "fulfilled" : "unstarted");
    }
    expect(released).toBeGreaterThanOrEqual(20);
    expect(openOf()).toBe(before);
    await expectWhole(ring);
  });

  test("G9 keeps its room before it begins: nothing of it waits for others", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 8 });
    using ends = pipe();
    const waiting = Array.from({ length: 4 }, () => ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    const lines: string[] = [];
    const five = group(nop(), [started(lines, "member"), nop(), nop(), nop(), nop()]);
    expect(five.width).toBe(5);
    const running = ring.run(chain(nop(), five));
    const behind = ring.run(nop()).then(() => lines.push("behind"));
    await Bun.sleep(SOON);
    expect(lines).toEqual([]); // four entries are free, and it needs five; what came later waits behind it
    sys.write(ends.second, Uint8Array.of(1));
    await running;
    await behind;
    sys.write(ends.second, Uint8Array.of(1, 2, 3));
    await Promise.all(waiting);
    await expectWhole(ring);
  });

  /** A ring, and how many SQEs each enter submits. */
  async function counted(): Promise<{ ring: Ring; submits: number[] }> {
    const real = ringSyscalls();
    const submits: number[] = [];
    const enter: RingSyscalls["enter"] = (...args) => {
      if (args[1] > 0) submits.push(args[1]);
      return real.enter(...args);
    };
    return { ring: await Ring.open({ entries: 32, syscalls: { ...real, enter } }), submits };
  }

  // Where a run may be aborted all links are soft, else those between members are hard.
  const NO_SIGNAL = {};
  const SIGNAL = { signal: new AbortController().signal };

  test("G10 goes out in one submit where that means the same", async () => {
    const { ring, submits } = await counted();
    await using _ = ring;
    using file = memoryFile(pattern(4));
    const plan = group(nop({ result: 1 }), [nop({ result: 2 }), nop({ result: 3 }), fsync({ fd: file.first })], { oneSubmit: true });
    for (const options of [NO_SIGNAL, SIGNAL]) {
      submits.length = 0;
      expect(await ring.run(plan, options)).toEqual({ leader: 1, members: [2, 3, 0] });
      expect(submits).toEqual([4]);
    }
    submits.length = 0;
    const prepared = ring.prepare(group(nop(), [nop({ result: 1 }), nop({ result: 2 })], { oneSubmit: true, release: nop() }));
    for (let run = 0; run < 3; run++) expect(await prepared.run()).toEqual({ leader: 0, members: [1, 2] });
    expect(submits).toEqual([3, 1, 3, 1, 3, 1]);
    submits.length = 0;
    await ring.run(plan, { links: false });
    await ring.run(group(nop(), [nop(), nop()]));
    expect(submits).toEqual([1, 3, 1, 2]);
    await expectWhole(ring);
  });

  test.each([
    ["hard links", NO_SIGNAL, [4]],
    ["soft links", SIGNAL, [4, 1]],
  ])("G10 runs the others when a member fails, through %s", async (_name, options, expected) => {
    const { ring, submits } = await counted();
    await using _ = ring;
    const outcome = await ring.settle(group(nop(), [nop(), fail(), nop()], { oneSubmit: true, release: nop() }), options);
    expect(brief(outcome)).toBe("failed:EIO[fulfilled (fulfilled failed:EIO fulfilled) fulfilled]");
    expect(submits).toEqual([...expected, 1]);
    await expectWhole(ring);
  });

  test.each([
    ["hard links", NO_SIGNAL],
    ["soft links", SIGNAL],
  ])("G10 gives the kernel nothing twice, through %s", async (_name, options) => {
    const { ring, submits } = await counted();
    await using _ = ring;
    const outcome = await ring.settle(group(fail(22), [nop(), nop()], { oneSubmit: true }), options); // as if the kernel had not taken it
    expect(brief(outcome)).toBe("failed:EINVAL[failed:EINVAL (unstarted unstarted)]");
    expect(submits).toEqual([3]);
    submits.length = 0;
    expect(brief(await ring.settle(chain.hard(fail(9), fail()), {}))).toBe("failed:EBADF[failed:EBADF failed:EIO]");
    expect(submits).toEqual([2]);
  });

  test.each([
    ["hard links", NO_SIGNAL],
    ["soft links", SIGNAL],
  ])("G10 ends as without, whatever becomes of it, through %s", async (_name, options) => {
    await using ring = await Ring.open({ entries: 32 });
    using file = memoryFile(pattern(4));
    const short = read({ fd: file.first, buffer: new Uint8Array(8), offset: 0 });
    const refused = read({ fd: file.first, buffer: new Uint8Array(1), offset: 0, ioprio: 0xe000 });
    const odd = read({ fd: file.first, buffer: new Uint8Array(1), offset: -7 });
    const ways: [string, Parameters<typeof group>][] = [
      ["failed:EIO[failed:EIO (unstarted unstarted)]", [fail(), [nop(), nop()], {}]],
      ["fulfilled[fulfilled (fulfilled fulfilled) fulfilled]", [short, [nop(), nop()], { release: nop() }]],
      ["failed:EIO[failed:EIO (unstarted) unstarted]", [short.exact(), [nop()], { release: nop() }]],
      ["failed:EINVAL[fulfilled (fulfilled failed:EINVAL fulfilled)]", [nop(), [nop(), refused, nop()], {}]],
      ["failed:EINVAL[failed:EINVAL (unstarted unstarted)]", [refused, [nop(), nop()], {}]],
      ["failed:EINVAL[failed:EINVAL (unstarted unstarted)]", [refused, [refused, nop()], {}]],
      ["failed:EINVAL[failed:EINVAL (unstarted)]", [refused, [refused], {}]],
      ["failed:EIO[failed:EIO (unstarted)]", [fail(), [refused], {}]],
      ["failed:RangeError[fulfilled (fulfilled failed:RangeError fulfilled)]", [nop(), [nop(), odd, nop()], {}]],
      ["failed:RangeError[failed:RangeError (unstarted)]", [odd, [nop()], {}]],
      ["failed:EIO[fulfilled (failed:EIO failed:ENOSPC)]", [nop(), [fail(), fail(28)], {}]],
      [
        "failed:EIO[fulfilled (fulfilled failed:EIO unstarted) fulfilled]",
        [nop(), [nop(), fail(), nop()], { onFailure: "cancel", release: nop() }],
      ],
    ];
    for (const [expected, [leader, members, more]] of ways) {
      expect(brief(await ring.settle(group(leader, members, { ...more, oneSubmit: true }), options))).toBe(expected);
      await expectWhole(ring);
    }
  });

  test("G10 starts nothing more after an abort, and gives back what it must", async () => {
    await using ring = await Ring.open({ entries: 16 });
    for (const at of ["leader", "member"]) {
      using ends = pipe();
      using other = memoryFile(pattern(4));
      const abort = new AbortController();
      const reading = read({ fd: ends.first, buffer: new Uint8Array(1) });
      const writing = write({ fd: other.first, buffer: new Uint8Array(4), offset: 0 });
      const [leader, members] = at === "leader" ? [reading, [writing]] : [nop(), [reading, writing]];
      const running = ring.settle(group(leader, members as unknown as [Member<number>], { oneSubmit: true, release: nop() }), {
        signal: abort.signal,
      });
      await Bun.sleep(SOON);
      abort.abort(new Error("no longer wanted"));
      expect(brief(await running)).toBe(
        at === "leader" ? "cancelled[cancelled (unstarted) unstarted]" : "cancelled[fulfilled (cancelled unstarted) fulfilled]",
      );
      expect(new Uint8Array(await Bun.file(other.first).arrayBuffer())).toEqual(pattern(4));
      await expectWhole(ring);
    }
  });
});

describe("parts side by side", () => {
  test("A1 begin together, and the whole is over when all are", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(all(nop(), timeout({ ms: 2 }), chain(nop({ result: 2 }))))).toEqual([0, "elapsed", [2]]);
    const outcome = await ring.settle(all(timeout({ ms: 10 }), fail(28), chain(timeout({ ms: 2 }), fail(5))));
    expect(brief(outcome)).toBe("failed:ENOSPC[fulfilled failed:ENOSPC failed:EIO[fulfilled failed:EIO]]");
    expect(() => all()).toThrow(/no parts/);
    const list: Operation<number>[] = Array.from({ length: 300 }, (_, i) => nop({ result: i }));
    await using wide = await Ring.open({ entries: 16, cqEntries: 512 });
    expect(await wide.run(all(...list))).toEqual(Array.from({ length: 300 }, (_, i) => i));
    await expectWhole(ring);
  });
});

describe("a deadline", () => {
  test("D1 cancels what is in flight and lets nothing more start", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const outcome = await ring.settle(chain(timeout({ ms: 20 }), deadline(chain(all(never(), nop()), nop()), SOON), nop()));
    expect(brief(outcome)).toBe("failed:ETIME[fulfilled failed:ETIME[cancelled[cancelled[cancelled fulfilled] unstarted]] unstarted]");
    const error = await failure(ring.run(deadline(never(), 3)));
    expect(error).toBeInstanceOf(TimeLimitError);
    expect(error).toMatchObject({ code: "ETIME", operation: "deadline", ms: 3 });
    // The inner one is the earlier, or the outer.
    expect(brief(await ring.settle(deadline(deadline(never(), 5), LONG)))).toBe("failed:ETIME[failed:ETIME[cancelled]]");
    expect(brief(await ring.settle(deadline(deadline(never(), LONG), 5)))).toBe("failed:ETIME[cancelled[cancelled]]");
    expect(() => deadline(nop(), -1)).toThrow(/ms is -1/);
    expect(() => deadline(nop(), Number.NaN)).toThrow(RangeError);
    await expectWhole(ring);
  });

  test("D1 is over as soon as the plan is", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(deadline(chain(nop(), nop({ result: 5 })), LONG))).toEqual([0, 5]);
    expect(await failure(ring.run(deadline(fail(), LONG)))).toMatchObject({ code: "EIO" });
    expect(brief(await ring.settle(deadline(never(), LONG), { signal: AbortSignal.timeout(SOON) }))).toBe("cancelled[cancelled]");
    await expectWhole(ring);
  });

  test("D2 keeps what has completed", async () => {
    await using ring = await Ring.open({ entries: 8 });
    let kept = 0;
    for (let round = 0; round < 30; round++) {
      const outcome = await ring.settle(deadline(chain(timeout({ ms: 1 + (round % 3) * 0.05 }), nop({ result: 1 })), 1.05));
      const statuses = brief(outcome);
      expect([
        "fulfilled[fulfilled[fulfilled fulfilled]]",
        "failed:ETIME[cancelled[cancelled unstarted]]",
        "failed:ETIME[cancelled[fulfilled unstarted]]",
      ]).toContain(statuses);
      if (outcome.status === "fulfilled") kept++;
    }
    expect(kept).toBeLessThanOrEqual(30);
    await expectWhole(ring);
  });
});

describe("a retry", () => {
  const failing = (times: number, errno = 11) => {
    let left = times;
    return chain(
      nop(),
      step(() => (left-- > 0 ? fail(errno) : nop({ result: 42 }))),
    );
  };

  test("R1 runs the whole again, as the rule says", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(retry(failing(2), { attempts: 3 }))).toEqual([0, 42]);
    expect(brief(await ring.settle(retry(failing(5), { attempts: 3 })))).toBe(
      "failed:EAGAIN[failed:EAGAIN[fulfilled failed:EAGAIN] failed:EAGAIN[fulfilled failed:EAGAIN] failed:EAGAIN[fulfilled failed:EAGAIN]]",
    );
    expect(await failure(ring.run(retry(failing(1, 5), { attempts: 3, on: ["EAGAIN"] })))).toMatchObject({ code: "EIO" });
    const asked: unknown[] = [];
    const on = (reason: unknown, attempts: number) => asked.push([(reason as UringError).code, attempts]) < 2;
    expect(await failure(ring.run(retry(failing(5), { attempts: 9, on })))).toMatchObject({ code: "EAGAIN" });
    expect(asked).toEqual([
      ["EAGAIN", 1],
      ["EAGAIN", 2],
    ]);
    const before = performance.now();
    await ring.run(retry(failing(2), { attempts: 3, delay: (attempts) => attempts * 10 }));
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
    // What was cancelled is not tried again: neither an attempt, nor the time between two.
    const signal = () => ({ signal: AbortSignal.timeout(SOON) });
    expect(brief(await ring.settle(retry(never(), { attempts: 3 }), signal()))).toBe("cancelled[cancelled]");
    expect(brief(await ring.settle(retry(fail(), { attempts: 3, delay: LONG }), signal()))).toBe("cancelled[failed:EIO]");
    // Within a time limit on each attempt.
    expect(brief(await ring.settle(retry(deadline(never(), 2), { attempts: 2 })))).toBe(
      "failed:ETIME[failed:ETIME[cancelled] failed:ETIME[cancelled]]",
    );
    await expectWhole(ring);
  });

  test("R2 has failed with the error of the last attempt, or of its own rule", async () => {
    await using ring = await Ring.open({ entries: 8 });
    let errno = 4;
    const changing = chain(
      nop(),
      step(() => fail(errno++)),
    );
    expect(await failure(ring.run(retry(changing, { attempts: 2 })))).toMatchObject({ code: "EIO" });
    const broken = () => {
      throw new Error("my rule");
    };
    expect(await failure(ring.run(retry(fail(), { attempts: 2, on: broken })))).toMatchObject({ message: "my rule" });
    expect(await failure(ring.run(retry(fail(), { attempts: 2, delay: () => -4 })))).toMatchObject({
      message: expect.stringMatching(/delay is -4/),
    });
    expect(() => retry(nop(), { attempts: 1 })).toThrow(/attempts is 1/);
    expect(() => retry(nop(), { attempts: 2, delay: -1 })).toThrow(/delay is -1/);
    expect(() => retry(nop(), { attempts: 2, on: "EIO" as never })).toThrow(/on is 'EIO'/);
    expect(() => retry(nop(), { atempts: 2 } as never)).toThrow(/did you mean 'attempts'/);
    const odd = read({ fd: 3, buffer: new Uint8Array(1), offset: -7 });
    expect((await ring.settle(retry(odd, { attempts: 20_000 }))).attempts.length).toBe(20_000); // each is over at once
    await expectWhole(ring);
  });
});

describe("an abort", () => {
  test("S1 lets nothing more start, and waits for every CQE", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const reason = new Error("enough");
    const { lines, note } = journal();
    const plan = () => chain(nop(), all(never(), group(nop(), [never(), nop()], { release: nop() })), note("after"));
    const controller = new AbortController();
    const running = failure(ring.run(plan(), { signal: controller.signal }));
    const settling = ring.settle(plan(), { signal: controller.signal });
    await Bun.sleep(SOON);
    expect(ring.inFlight).toBe(4);
    controller.abort(reason);
    expect(await running).toBe(reason);
    expect(brief(await settling)).toBe(
      "cancelled[fulfilled cancelled[cancelled cancelled[fulfilled (cancelled fulfilled) fulfilled]] unstarted]",
    );
    expect(lines).toEqual([]);
    // Before it is run nothing of it is.
    expect(brief(await ring.settle(chain(nop(), nop().always()), { signal: AbortSignal.abort(reason) }))).toBe(
      "unstarted[unstarted unstarted]",
    );
    expect(await failure(ring.run(all(nop()), { signal: AbortSignal.abort(reason) }))).toBe(reason);
    await expectWhole(ring);
  });

  test("S1 at every moment leaves nothing behind", async () => {
    await using ring = await Ring.open({ entries: 8, cqEntries: 32 });
    using ends = pipe();
    const before = openOf();
    const seen = new Set<string>();
    for (let moment = 0; moment < 60; moment++) {
      const controller = new AbortController();
      const plan = chain(
        unix(),
        step((fd) =>
          chain(
            group(nop(), [nop(), nop(), nop()]),
            all(nop(), read({ fd: ends.first, buffer: new Uint8Array(1) })),
            close({ fd }).always(),
          ),
        ),
      );
      const settling = ring.settle(plan, { signal: controller.signal });
      for (let turn = 0; turn < moment >> 2; turn++) {
        if (moment % 4 === 1) ring.raw.enter(0);
        if (moment % 4 === 2) ring.raw.reap();
        if (moment % 4 === 3) await Promise.resolve();
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (moment % 4 === 1) ring.raw.enter(0); // done, and not yet seen
      controller.abort();
      seen.add(brief(await settling));
      expect(ring.inFlight).toBe(0);
      expect(openOf()).toBe(before);
    }
    expect(seen.size).toBeGreaterThan(2);
    await expectWhole(ring);
  });

  test("S2 keeps what has completed, and gives back what nobody gets", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const before = openOf();
    const controller = new AbortController();
    const settling = ring.settle(all(nop({ result: 3 }), unix()), { signal: controller.signal });
    ring.raw.enter(0); // both have completed, and nobody has looked
    controller.abort();
    const outcome = await settling;
    expect(brief(outcome)).toBe("cancelled[fulfilled cancelled]");
    expect(openOf()).toBe(before);
    await expectWhole(ring);
  });

  test("S3 of a plan that waits for room leaves all of it unstarted", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    using ends = pipe();
    const waiting = Array.from({ length: 3 }, () => ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    const { lines, note } = journal();
    const controller = new AbortController();
    const plan = chain(nop(), note("step"), all(nop(), nop()), nop().always());
    const settling = ring.settle(plan, { signal: controller.signal });
    await Bun.sleep(SOON);
    controller.abort();
    expect(brief(await settling)).toBe("unstarted[unstarted unstarted unstarted[unstarted unstarted] unstarted]");
    expect(lines).toEqual([]);
    sys.write(ends.second, new Uint8Array(3));
    await Promise.all(waiting);
    await expectWhole(ring);
  });

  test("S4 is what closing the ring is, and it waits for what is done in any case", async () => {
    const ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const before = openOf();
    const settling = ring.settle(
      chain(
        unix(),
        step((fd) => chain(read({ fd: ends.first, buffer: new Uint8Array(1) }), timeout({ ms: 20 }).always(), close({ fd }).always())),
      ),
    );
    await Bun.sleep(SOON);
    await ring.close();
    expect(brief(await settling)).toBe("cancelled[fulfilled cancelled[cancelled fulfilled fulfilled]]");
    expect(openOf()).toBe(before);
    expect(await failure(ring.run(chain(nop())))).toMatchObject({ message: "the ring is closed" });
  });

  test("S4 of a ring that fails ends its plans, and nothing is left waiting", async () => {
    const ring = await Ring.open({ entries: 8 });
    const broken = new Error("broken");
    const settling = ring.settle(chain(never(), nop().always(), retry(nop(), { attempts: 3 })));
    const waiting = ring.run(all(never(), nop()));
    const told = failure(waiting);
    await Bun.sleep(SOON);
    ring.raw.fail(broken);
    expect((await settling).status).toBe("failed");
    expect(await told).toBe(broken);
  });

  test("S1 lets nothing start when a handler aborts it that runs while room is made", async () => {
    const real = ringSyscalls();
    let busy = false; // the kernel takes nothing, once: what has completed is handled before the next try
    const enter: RingSyscalls["enter"] = (...args) => {
      if (!busy) return real.enter(...args);
      busy = false;
      return -16;
    };
    await using ring = await Ring.open({ entries: 2, cqEntries: 16, syscalls: { ...real, enter } });
    const { raw } = ring;
    const abort = new AbortController();
    const reason = new Error("no longer wanted");
    raw.nop(raw.allocate(() => abort.abort(reason)));
    raw.enter(0); // its CQE is there
    for (let i = 0; i < 2; i++) raw.nop(raw.allocate(() => {}));
    busy = true;
    const settled = await ring.settle(deadline(chain(nop(), nop().always()), LONG), { signal: abort.signal });
    expect(busy).toBe(false);
    expect(settled).toMatchObject({ status: "unstarted", reason, plan: { status: "unstarted", reason } });
    expectEmpty(ring);
  });

  test("S5 a plan larger than the ring is refused", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 8 });
    const nine = all(...Array.from({ length: 9 }, () => nop()));
    expect(await failure(ring.run(nine))).toMatchObject({
      name: "RangeError",
      message: expect.stringMatching(/9 operations.*cqEntries: 9/),
    });
    expect((await ring.settle(nine)).status).toBe("unstarted");
    expect(ring.raw.queued).toBe(0);
    // What a step adds takes room as it comes: one operation at a time, if need be.
    using ends = pipe();
    const busy = Array.from({ length: 7 }, () => ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    const wide = chain(
      nop(),
      step(() => all(...Array.from({ length: 8 }, (_, i) => nop({ result: i })))),
    );
    expect(await ring.run(wide)).toEqual([0, [0, 1, 2, 3, 4, 5, 6, 7]]);
    sys.write(ends.second, new Uint8Array(7));
    await Promise.all(busy);
    await expectWhole(ring);
  });

  test("S6 a plan waits for all of its room, and what is run after it behind it", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 8 });
    using ends = pipe();
    const busy = Array.from({ length: 6 }, () => ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    const order: string[] = [];
    const plan = ring.run(all(nop(), nop(), nop())).then(() => order.push("plan"));
    const later = ring.run(nop()).then(() => order.push("later"));
    await Bun.sleep(SOON);
    expect(order).toEqual([]);
    sys.write(ends.second, new Uint8Array(1));
    await Promise.all([plan, later]);
    expect(order).toEqual(["plan", "later"]);
    sys.write(ends.second, new Uint8Array(5));
    await Promise.all(busy);
    await expectWhole(ring);
  });
});

describe("plans that compete for the ring", () => {
  test("make way for each other, also for steps that take more than was known", async () => {
    await using ring = await Ring.open({ entries: 16 });
    const one = chain(
      nop(),
      step(() => within(nop({ result: 7 }), LONG)),
    );
    const all32 = await Promise.all(Array.from({ length: 32 }, () => ring.run(one)));
    expect(all32).toEqual(Array.from({ length: 32 }, () => [0, 7]));
    await using small = await Ring.open({ entries: 1, cqEntries: 2 });
    expect(await small.run(one)).toEqual([0, 7]);
    await expectWhole(ring);
  });

  test("do not wait for one that has not begun", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const exchange = chain(
      nop(),
      step(() =>
        all(
          read({ fd: ends.first, buffer: new Uint8Array(1) }),
          timeout({ ms: SOON }),
          chain(timeout({ ms: SOON }), write({ fd: ends.second, buffer: pattern(1) })),
        ),
      ),
    );
    const running = ring.run(exchange);
    const large = ring.run(all(...Array.from({ length: 16 }, () => nop())));
    expect(await running).toEqual([0, [1, "elapsed", ["elapsed", 1]]]);
    expect((await large).length).toBe(16);
    await expectWhole(ring);
  });

  test("give back what they must also when it is a step, and the ring is being closed", async () => {
    const ring = await Ring.open({ entries: 8 });
    const before = openOf();
    const plan = group(unix(), [never()], { release: step((fd) => close({ fd })) });
    const settling = ring.settle(plan);
    await Bun.sleep(SOON);
    await ring.close();
    expect(brief(await settling)).toBe("cancelled[fulfilled (cancelled) fulfilled]");
    expect(openOf()).toBe(before);
  });

  test("end when a rule of theirs aborts them", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const controller = new AbortController();
    let attempts = 0;
    const plan = retry(
      chain(
        nop(),
        step(() => (attempts++ === 0 ? fail() : never())),
      ),
      {
        attempts: 3,
        on: () => {
          controller.abort();
          return true;
        },
      },
    );
    expect(brief(await ring.settle(plan, { signal: controller.signal }))).toBe("cancelled[failed:EIO[fulfilled failed:EIO]]");
    await expectWhole(ring);
  });

  test("go on behind what severs a link without failing", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(3));
    using group = ring.bufferGroup({ buffers: 2, size: 64 });
    const [chunk, rest] = await ring.run(chain(readProvided({ fd: file.first, group, offset: 0 }), nop({ result: 4 })));
    expect([chunk.bytes.length, rest]).toEqual([3, 4]);
    await expectWhole(ring);
  });

  test("tell what waited and was aborted as unstarted, whatever the object was used for before", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    for (let i = 0; i < 8; i++) await ring.run(nop());
    const controller = new AbortController();
    const wide = chain(
      nop(),
      step(() => all(never(), never(), never(), never())),
    );
    const busy = ring.settle(never(), { signal: controller.signal });
    const settling = ring.settle(wide, { signal: controller.signal });
    await Bun.sleep(SOON);
    controller.abort();
    expect(brief(await settling)).toBe("cancelled[fulfilled cancelled[cancelled cancelled cancelled unstarted]]");
    await busy;
    await expectWhole(ring);
  });
});

describe("explain", () => {
  const lines = (text: unknown) => String(text).split("\n");

  test("says what goes out together, and why the rest does not", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const buffer = new Uint8Array(8);
    const plan = chain(
      read({ fd: 3, buffer }).exact(),
      fsync({ fd: 3 }),
      nop(),
      step(() => nop()),
      within(nop(), 5),
      chain(nop()).always(),
      send({ fd: 3, buffer }).exact(),
      nop(),
    );
    expect(lines(ring.explain(plan))).toEqual([
      "chain of 8: one part after the other",
      "  2 operations: one submit of SQEs linked by IOSQE_IO_LINK",
      "    read",
      "    fsync",
      "  nop",
      "  step: made when its turn comes, and carried out like any other part",
      "  nop: with a link timeout of the kernel; its time limit is linked behind it",
      "  chain of 1: one part after the other; done in any case",
      "    nop",
      "  send: being short severs no link behind it",
      "  nop",
    ]);
    const hard = chain.hard(fsync({ fd: 3 }), nop());
    expect(lines(ring.explain(hard))[1]).toBe("  2 operations: one submit of SQEs linked by IOSQE_IO_HARDLINK");
    expect(lines(ring.explain(deadline(hard, 5)))[1]).toMatch(/hard chain of 2.*without kernel links: behind a hard link/);
    expect(lines(ring.explain(hard, { signal: new AbortController().signal }))[0]).toMatch(/without kernel links/);
    expect(lines(ring.explain(chain(nop(), nop()), { links: false }))[0]).toBe(
      "chain of 2: one part after the other, without kernel links: links: false",
    );
    await using polled = await Ring.open({ entries: 8, sqpoll: true });
    expect(lines(polled.explain(chain(nop(), nop())))[0]).toMatch(/without kernel links: a kernel thread submits/);
  });

  test("says whether a group goes out in one submit, and why not", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const how = (plan: Part<unknown, unknown>, options = {}) => lines(ring.explain(plan, options))[0];
    const { signal } = new AbortController();
    const two = [nop(), nop()] as const;
    const one = { oneSubmit: true } as const;
    expect(how(group(nop(), two))).toBe(
      "group of 1 + 2: in user space, no kernel has groups (oneSubmit: true would link them): the leader, then one submit of all members",
    );
    expect(how(group(nop(), two, one))).toBe(
      "group of 1 + 2: one submit: the members behind the leader, linked by IOSQE_IO_LINK, and one after the other, by IOSQE_IO_HARDLINK",
    );
    expect(how(group(nop(), two, one), { signal })).toMatch(/one after the other, by IOSQE_IO_LINK$/);
    expect(how(group(nop(), two, { ...one, onFailure: "cancel" }))).toMatch(/by IOSQE_IO_LINK, which cancels the others when one fails$/);
    const apart = (plan: Part<unknown, unknown>, options = {}) =>
      /not in one submit: (.*): the leader, then/.exec(how(plan, options)!)?.[1];
    expect(apart(group(nop(), two, one), { links: false })).toBe("links: false");
    expect(apart(group(chain(nop()), two, one))).toMatch(/^the leader is more than one operation/);
    expect(apart(group(fsync({ fd: 3 }), two, one))).toMatch(/^a link behind the leader would not be severed/);
    expect(apart(group(nop(), [chain(nop())], one))).toMatch(/^a member is more than one operation/);
    expect(apart(group(nop(), [timeout({ ms: 1 }), nop()], one), { signal })).toMatch(/^it may be aborted, and a link behind a member/);
    expect(apart(group(nop(), [timeout({ ms: 1 }), nop()], one))).toBeUndefined();
    expect(apart(group(nop(), Array.from({ length: 16 }, () => nop()) as [Operation<number>], one))).toBe("it has more than 15 members");
    expect(() => group(nop(), two, { oneSubmit: 1 as never })).toThrow(/group: oneSubmit is 1/);
  });

  test("knows groups, limits and repetition", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const plan = retry(deadline(group(nop(), [all(nop(), nop()), nop()], { onFailure: "cancel", release: nop() }), 5), {
      attempts: 3,
      delay: 1,
    });
    const explanation = ring.explain(plan);
    expect(lines(explanation).map((line) => line.split(":")[0])).toEqual([
      "retry of up to 3",
      "  deadline of 5 ms",
      "    group of 1 + 2",
      "      nop",
      "      all of 2",
      "        nop",
      "        nop",
      "      nop",
      "      nop",
    ]);
    expect(explanation.parts[0]?.parts[0]?.how).toMatch(/one submit of all members, which cancels the others when one fails; its release/);
    expect(() => ring.explain(5 as never)).toThrow(/plan is 5/);
  });
});

describe("the rules of docs/plans.md", () => {
  test("have a test each", () => {
    const rules = [...readFileSync(join(ROOT, "docs/plans.md"), "utf8").matchAll(/^\| ([A-Z]\d+) +\|/gm)].map(([, rule = ""]) => rule);
    expect(rules.length).toBeGreaterThan(25);
    const own = ["plans", "prepared"].map((name) => readFileSync(join(import.meta.dir, `${name}.test.ts`), "utf8")).join();
    expect(rules.filter((rule) => !own.includes(`test("${rule} `))).toEqual([]);
  });
});
