/**
 * What a link of the kernel means, as the kernel does it: the raw layer's promises, and the ground on which combinators stand. Where the
 * manual page of linked requests says something else, the kernel is right.
 */
import { describe, expect, test } from "bun:test";
import { FixedFile, openatDirect, read, timeout } from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { abi } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { declared, rows } from "./support/catalogue.ts";
import { chain, DRAIN, ECANCELED, HARD, nopStep, type Outcome, SKIP, SOFT, type Step, Trial } from "./support/chain.ts";
import { pipe, socketPair } from "./support/descriptors.ts";
import { type Failing, LENIENT, SEVERING } from "./support/failing.ts";

const ENOENT = -2;
const EBADF = -9;
const EINVAL = -22;
const ETIME = -62;
const EALREADY = -114;

const injects = requires(kernelAtLeast("6.10"), "injected results need Linux 6.10");

/** A head that fails with a soft link, and a NOP behind it. */
function behind({ write, shape }: Failing, link = SOFT): Outcome {
  using trial = new Trial(shape);
  trial.raw.register.sparseFiles(2);
  return { ...trial.queue({ name: "head", write, flags: link }, nopStep("next")).settle() };
}

const called = ({ name, how }: Failing): string => (how === undefined ? name : `${name} ${how}`);

describe("a soft link behind an operation that fails", () => {
  for (const failing of SEVERING) {
    const { since = "5.19", result } = failing;
    requires(kernelAtLeast(since), `needs Linux ${since}`)(`is severed: ${called(failing)}`, () => {
      const { head, next } = behind(failing);
      if (result === undefined) expect(head).toBeLessThan(0);
      else expect(head).toBe(result);
      expect(next).toBe(ECANCELED);
    });
  }

  for (const failing of LENIENT) {
    const { since = "5.19", result } = failing;
    requires(kernelAtLeast(since), `needs Linux ${since}`)(`is not severed: ${called(failing)}`, () => {
      const { head, next } = behind(failing);
      if (result === undefined) expect(head).toBeLessThan(0);
      else expect(head).toBe(result);
      expect(next).toBe(0);
    });
  }

  test("is known of every operation, and the manual says the same", () => {
    const names = (list: readonly Failing[]): Set<string> => new Set(list.map(({ name }) => name));
    const [severing, lenient] = [names(SEVERING), names(LENIENT)];
    for (const { name, link } of rows) {
      const said = /^(no|raw|its predecessor)/.test(link) ? "none" : link.startsWith("never") ? "never" : "severs";
      // Of those in both columns the manual says in words when they sever.
      const known = severing.has(name) ? "severs" : lenient.has(name) ? "never" : "none";
      expect({ name, link: name === "shutdown" ? "severs" : said }).toEqual({ name, link: known });
    }
    // What chains rely on: only what severs whenever it fails; and those that may do a part of what they shall, or sever without failing, or fail without severing, go by themselves.
    const relied = new Set(declared.filter(({ severs }) => severs !== undefined).map(({ name }) => name));
    expect([...relied].filter((name) => !severing.has(name) || lenient.has(name))).toEqual([]);
    const once = new Set(declared.filter(({ completions }) => completions === "one").map(({ name }) => name));
    const alone = [...severing].filter((name) => once.has(name) && !lenient.has(name) && !relied.has(name));
    expect(alone.sort()).toEqual([
      "acceptDirect",
      "filesUpdate",
      "futexWait",
      "futexWaitv",
      "provideBuffers",
      "readProvided",
      "removeBuffers",
      "sendmsg",
      "socketDirect",
    ]);
    expect([...severing].filter((name) => lenient.has(name)).sort()).toEqual(["recv", "recvmsg", "shutdown", "timeout"]);
    const all = new Set(declared.map(({ name }) => name));
    expect([...severing, ...lenient].filter((name) => !all.has(name))).toEqual([]);
  });
});

describe("a hard link", () => {
  for (const failing of SEVERING.filter(({ write }) => typeof write !== "function")) {
    const { since = "5.19", takenSince = since } = failing;
    requires(kernelAtLeast(takenSince), `needs Linux ${takenSince}`)(`holds whatever the result is: ${called(failing)}`, () => {
      expect(behind(failing, HARD).next).toBe(0);
    });
  }

  test("does not hold against an SQE that the kernel cannot take", () => {
    const bad: Step = { name: "bad", write: (raw, slot) => raw.linkTimeout(slot, 0, 0xff00), flags: HARD };
    expect(chain(nopStep("first", HARD), bad, nopStep("last"))).toEqual({ first: ECANCELED, bad: EINVAL, last: ECANCELED });
  });
});

describe("an SQE that the kernel cannot take", () => {
  /** Flags that no fsync has. */
  const bad = (flags: number): Step => ({ name: "bad", flags, write: (raw, slot) => raw.fsync(slot, 0, 0x8000) });

  for (const [kind, link] of [
    ["soft", SOFT],
    ["hard", HARD],
  ] as const) {
    test(`cancels its whole chain, also what stands before it: ${kind} links`, () => {
      expect(chain(nopStep("first", link), nopStep("second", link), bad(link), nopStep("last"))).toEqual({
        first: ECANCELED,
        second: ECANCELED,
        bad: EINVAL,
        last: ECANCELED,
      });
      expect(chain(bad(link), nopStep("second", link), nopStep("last"))).toEqual({ bad: EINVAL, second: ECANCELED, last: ECANCELED });
      expect(chain(nopStep("first", link), bad(0))).toEqual({ first: ECANCELED, bad: EINVAL });
    });
  }

  test("leaves other chains of the same submission alone", () => {
    expect(chain(nopStep("before"), nopStep("first", SOFT), bad(0), nopStep("after"))).toEqual({
      before: 0,
      first: ECANCELED,
      bad: EINVAL,
      after: 0,
    });
  });

  test("ends the submission without SUBMIT_ALL, and is counted in it", () => {
    using trial = new Trial({ submitAll: false });
    trial.queue(bad(0), nopStep("behind"));
    expect(trial.raw.enter(0)).toBe(1);
    expect(trial.settle()).toEqual({ bad: EINVAL, behind: 0 }); // the next enter takes the rest
  });
});

describe("links of both kinds", () => {
  injects("in one chain: what fails counts, not what comes later", () => {
    expect(chain(nopStep("soft", SOFT, -5), nopStep("hard", HARD), nopStep("last"))).toEqual({
      soft: -5,
      hard: ECANCELED,
      last: ECANCELED,
    });
    expect(chain(nopStep("hard", HARD, -5), nopStep("soft", SOFT), nopStep("last"))).toEqual({ hard: -5, soft: 0, last: 0 });
    expect(chain(nopStep("first", SOFT), nopStep("hard", HARD, -5), nopStep("last", SOFT, -6), nopStep("never"))).toEqual({
      first: 0,
      hard: -5,
      last: -6,
      never: ECANCELED,
    });
  });

  test("together on one SQE are as a hard one", () => {
    const closed: Step = { name: "closed", write: read({ fd: 9999, buffer: new Uint8Array(1) }), flags: SOFT | HARD };
    expect(chain(closed, nopStep("next"))).toEqual({ closed: EBADF, next: 0 });
  });
});

describe("a chain", () => {
  test("is carried out in order, each when the one before it has completed", () => {
    using ends = pipe();
    const bytes = new Uint8Array(4);
    using trial = new Trial();
    trial.queue({ name: "read", write: read({ fd: ends.first, buffer: bytes }), flags: SOFT }, nopStep("next", SOFT), nopStep("last"));
    trial.submit();
    expect(trial.outcome).toEqual({});
    sys.write(ends.second, Uint8Array.of(1, 2, 3, 4));
    expect(Object.keys(trial.settle())).toEqual(["read", "next", "last"]);
    expect(trial.outcome).toEqual({ read: 4, next: 0, last: 0 });
  });

  test("uses in a later operation the slot that an earlier one fills", () => {
    using trial = new Trial();
    trial.raw.register.sparseFiles(1);
    const slot = new FixedFile(0);
    const buffer = new Uint8Array(5);
    trial.queue(
      { name: "open", write: openatDirect({ path: "/proc/version", slot }), flags: SOFT },
      { name: "read", write: read({ fd: slot, buffer, offset: 0 }), flags: SOFT },
      { name: "close", write: (raw, own) => raw.closeFd(own, 0, 1) },
    );
    expect(trial.settle()).toEqual({ open: 0, read: 5, close: 0 });
    expect(new TextDecoder().decode(buffer)).toBe("Linux");
  });

  test("ends with its submission: what is submitted later is not linked", () => {
    using ends = pipe();
    using trial = new Trial();
    trial.queue({ name: "read", write: read({ fd: ends.first, buffer: new Uint8Array(1) }), flags: SOFT }).submit();
    trial.queue(nopStep("next")).settle("next");
    expect(trial.outcome).toEqual({ next: 0 });
    sys.write(ends.second, new Uint8Array(1));
    expect(trial.settle()).toEqual({ next: 0, read: 1 });
  });

  test("does not end at the end of the SQ: a ring of four carries many chains of three", () => {
    using trial = new Trial({ entries: 4, cqEntries: 64 });
    for (let i = 0; i < 8; i++) {
      trial.queue(nopStep(`a${i}`, SOFT), nopStep(`b${i}`, SOFT), nopStep(`c${i}`)).submit();
      trial.settle(`c${i}`);
    }
    expect(Object.values(trial.outcome)).toEqual(new Array(24).fill(0));
  });

  test("is cancelled as a whole by cancelling the one that is at work", () => {
    using ends = pipe();
    using trial = new Trial();
    trial
      .queue(
        { name: "read", write: read({ fd: ends.first, buffer: new Uint8Array(1) }), flags: SOFT },
        nopStep("next", SOFT),
        nopStep("last"),
      )
      .submit();
    const slot = trial.slots.get("read")!;
    trial.queue({ name: "cancel", write: (raw, own) => raw.cancel(own, -1, slot, raw.generation(slot), 0) });
    expect(trial.settle()).toEqual({ read: ECANCELED, next: ECANCELED, last: ECANCELED, cancel: 0 });
  });

  test("hides its later operations from a cancel until they begin", () => {
    using ends = pipe();
    using trial = new Trial();
    trial.queue({ name: "read", write: read({ fd: ends.first, buffer: new Uint8Array(1) }), flags: SOFT }, nopStep("next")).submit();
    const slot = trial.slots.get("next")!;
    trial.queue({ name: "cancel", write: (raw, own) => raw.cancel(own, -1, slot, raw.generation(slot), 0) }).settle("cancel");
    expect(trial.outcome).toEqual({ cancel: ENOENT });
    sys.write(ends.second, new Uint8Array(1));
    expect(trial.settle()).toEqual({ cancel: ENOENT, read: 1, next: 0 });
  });
});

/** A struct __kernel_timespec of so many milliseconds. */
const memory = Arena.allocate(4096);
function time(ms: number, at: number): number {
  const view = memory.view();
  view.setBigInt64(at, BigInt(Math.floor(ms / 1000)), true);
  view.setBigInt64(at + 8, BigInt(Math.round((ms % 1000) * 1e6)), true);
  return memory.address + at;
}
const limit = (ms: number, flags = 0, name = "limit"): Step => ({
  name,
  flags,
  write: (raw, slot) => raw.linkTimeout(slot, time(ms, 64), 0),
});
const waiting = (fd: number, flags = SOFT): Step => ({ name: "read", write: read({ fd, buffer: new Uint8Array(1) }), flags });

describe("a link timeout", () => {
  test("that fires cancels the operation before it, and severs soft links behind", () => {
    using ends = pipe();
    expect(chain(waiting(ends.first), limit(2, SOFT), nopStep("next", SOFT), nopStep("last"))).toEqual({
      read: ECANCELED,
      limit: ETIME,
      next: ECANCELED,
      last: ECANCELED,
    });
  });

  test("that fires leaves a chain of hard links going", () => {
    using ends = pipe();
    expect(chain(waiting(ends.first, HARD), limit(2, HARD), nopStep("next", HARD), nopStep("last"))).toEqual({
      read: ECANCELED,
      limit: ETIME,
      next: 0,
      last: 0,
    });
  });

  test("that is not needed is cancelled, and the chain goes on behind it", () => {
    expect(chain(nopStep("head", SOFT), limit(60_000, SOFT), nopStep("next"))).toEqual({ head: 0, limit: ECANCELED, next: 0 });
  });

  test("bounds only the operation right before it, not the chain", () => {
    const before = performance.now();
    const slow: Step = { name: "slow", write: timeout({ ms: 60, etimeSuccess: true }), flags: SOFT };
    expect(chain(slow, nopStep("nop", SOFT), limit(10))).toEqual({ slow: ETIME, nop: 0, limit: ECANCELED });
    expect(performance.now() - before).toBeGreaterThan(55);
  });

  test("does not begin before the operation that it bounds does", () => {
    const slow: Step = { name: "slow", write: timeout({ ms: 40, etimeSuccess: true }), flags: SOFT };
    expect(chain(slow, nopStep("nop", SOFT), limit(10, SOFT), nopStep("last"))).toEqual({ slow: ETIME, nop: 0, limit: ECANCELED, last: 0 });
  });

  test("stands only behind a linked operation, and never behind another", () => {
    expect(chain(limit(1))).toEqual({ limit: EINVAL });
    expect(chain(nopStep("unlinked"), limit(1))).toEqual({ unlinked: 0, limit: EINVAL });
    expect(chain(nopStep("head", SOFT), limit(1, SOFT), limit(1, 0, "second"))).toEqual({
      head: ECANCELED,
      limit: ECANCELED,
      second: EINVAL,
    });
  });

  test("that races with its operation may say anything: only the operation's own result tells what happened", () => {
    for (let i = 0; i < 100; i++) {
      const racing: Step = { name: "timer", write: timeout({ ms: 1 + (i % 5) / 50, etimeSuccess: true }), flags: SOFT };
      const { timer, limit: bound, next } = chain(racing, limit(1.04, SOFT), nopStep("next"));
      if (timer === ECANCELED) expect({ bound, next }).toEqual({ bound: ETIME, next: ECANCELED });
      else {
        expect({ timer, next }).toEqual({ timer: ETIME, next: 0 });
        // -ETIME as well: it fired for an operation that had just completed by itself.
        expect([ECANCELED, ETIME, ENOENT, EALREADY]).toContain(bound!);
      }
    }
  });
});

describe("an operation that reports only failure", () => {
  test("says nothing when it succeeds", () => {
    using trial = new Trial();
    trial.queue(nopStep("head", SOFT | SKIP), nopStep("next", SOFT | SKIP), nopStep("last"));
    trial.settle("last");
    expect(trial.silent()).toEqual(["head", "next"]);
  });

  injects("and fails speaks, and silences all that it cancels", () => {
    using trial = new Trial();
    trial.queue(nopStep("head", SOFT | SKIP, -5), nopStep("next", SOFT), nopStep("last"));
    trial.settle("head");
    expect(trial.silent()).toEqual(["next", "last"]);
    expect(trial.outcome).toEqual({ head: -5 });
  });

  injects("and fails with a hard link leaves the others their word", () => {
    using trial = new Trial();
    trial.queue(nopStep("head", HARD | SKIP, -5), nopStep("next", HARD), nopStep("last"));
    trial.settle("head", "next", "last");
    expect(trial.silent()).toEqual([]);
    expect(trial.outcome).toEqual({ head: -5, next: 0, last: 0 });
  });

  injects("is heard when one before it fails that has not asked for silence", () => {
    using trial = new Trial();
    trial.queue(nopStep("head", SOFT, -5), nopStep("next", SOFT | SKIP), nopStep("last", SKIP));
    trial.settle("head", "next", "last");
    expect(trial.outcome).toEqual({ head: -5, next: ECANCELED, last: ECANCELED });
  });

  test("makes the ring refuse to drain from then on", () => {
    using trial = new Trial();
    trial.queue(nopStep("quiet", SKIP)).submit();
    trial.queue(nopStep("drained", DRAIN)).settle("drained");
    expect(trial.outcome).toEqual({ drained: -95 });
  });

  test("cannot be a multishot poll, nor a zero-copy send", () => {
    using ends = socketPair();
    const multi: Step = { name: "poll", flags: SKIP, write: (raw, slot) => raw.pollMultishot(slot, ends.first, 1) };
    const zero: Step = { name: "send", flags: SKIP, write: (raw, slot) => raw.sendZc(slot, ends.first, memory.address, 8, 0) };
    expect(chain(multi)).toEqual({ poll: EINVAL });
    expect(chain(zero)).toEqual({ send: EINVAL });
  });
});

describe("a drain in a chain", () => {
  test("moves to the chain's head, and holds up what comes behind the chain", () => {
    using ends = pipe();
    using trial = new Trial();
    trial.queue(
      waiting(ends.first, 0), // queued before: the drain waits for it
      nopStep("head", SOFT),
      nopStep("drained", DRAIN),
      nopStep("behind"),
    );
    trial.submit();
    expect(trial.outcome).toEqual({});
    sys.write(ends.second, new Uint8Array(1));
    expect(trial.settle()).toEqual({ read: 1, head: 0, drained: 0, behind: 0 });
  });

  test("waits for a chain that was queued before it, to its last operation", () => {
    using ends = pipe();
    using trial = new Trial();
    trial.queue(waiting(ends.first), nopStep("last"), nopStep("drained", DRAIN), nopStep("behind"));
    trial.submit();
    expect(trial.outcome).toEqual({});
    sys.write(ends.second, new Uint8Array(1));
    expect(Object.keys(trial.settle())).toEqual(["read", "last", "drained", "behind"]);
  });
});

describe("what the header has and the kernel has not", () => {
  test("is a poll of levels", () => {
    using ends = pipe();
    const level: Step = {
      name: "poll",
      write(raw, slot) {
        raw.poll(slot, ends.first, 1);
        raw.setWord(6, abi.IORING_POLL_ADD_LEVEL);
      },
    };
    expect(chain(level)).toEqual({ poll: EINVAL });
  });
});
