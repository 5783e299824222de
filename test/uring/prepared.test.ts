import { describe, expect, test } from "bun:test";
import { closeSync, ftruncateSync, readFileSync } from "node:fs";
import {
  all,
  chain,
  fsync,
  group,
  nop,
  type Operation,
  Ring,
  read,
  readv,
  recv,
  retry,
  send,
  step,
  timeout,
  within,
  write,
  writeFixed,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { memoryFile, pattern, socketPair } from "./support/descriptors.ts";
import { failure } from "./support/network.ts";
import { brief } from "./support/outcome.ts";
import { started } from "./support/started.ts";

const LONG = 60_000;
const SOON = 40;
const never = (): Operation<unknown> => timeout({ ms: LONG });
const open = (): Promise<Ring> => Ring.open({ entries: 16 });

const thrown = (act: () => unknown): Error => {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it should have thrown");
};

const refusal = async (run: Promise<unknown>): Promise<Error> => (await failure(run)) as Error;

describe("a prepared plan", () => {
  test("P1 ends as the plan does, every time", async () => {
    await using ring = await open();
    using file = memoryFile(pattern(4096));
    const buffer = new Uint8Array(512);
    const plan = chain(
      read({ fd: file.first, buffer, offset: 512 }).exact(),
      group(nop({ result: 7 }), [nop({ result: 1 }), step((seven) => nop({ result: seven * 2 }))], { release: nop() }),
      all(fsync({ fd: file.first }), nop({ result: 3 })),
    );
    const prepared = ring.prepare(plan);
    const value = await ring.run(plan);
    for (let run = 0; run < 5; run++) {
      buffer.fill(0);
      expect(await prepared.run()).toEqual(value);
      expect(buffer).toEqual(pattern(4096).subarray(512, 1024));
      expect(prepared.value).toEqual(value);
      expect(prepared.status).toBe("fulfilled");
      expect(prepared.outcome()).toEqual(await ring.settle(plan));
    }
    expect(ring.inFlight).toBe(0);
  });

  test("P1 keeps nothing of a run that failed", async () => {
    await using ring = await open();
    using file = memoryFile(new Uint8Array(4));
    const reading = read({ fd: file.first, buffer: new Uint8Array(8), offset: 0 }).exact();
    const prepared = ring.prepare(chain(nop(), reading, nop({ result: 2 }), nop().always()));
    for (let run = 0; run < 3; run++) {
      expect(brief(await prepared.settle())).toBe("failed:EIO[fulfilled failed:EIO unstarted fulfilled]");
      expect((await refusal(prepared.run())).message).toContain("4 of 8 bytes");
      expect(thrown(() => prepared.value).message).toContain("4 of 8 bytes");
      sys.pwrite(file.first, new Uint8Array(8), 0);
      expect(await prepared.run()).toEqual([0, 8, 2, 0]);
      ftruncateSync(file.first, 4);
    }
  });

  test("P1 is carried out again from the beginning: attempts, timers, steps", async () => {
    await using ring = await open();
    let calls = 0;
    const flaky = chain(
      nop(),
      step(() => nop({ result: ++calls % 3 === 0 ? 5 : -11 })),
    );
    const prepared = ring.prepare(retry(flaky, { attempts: 3, on: ["EAGAIN"], delay: 1 }));
    for (let run = 1; run <= 3; run++) {
      expect(await prepared.run()).toEqual([0, 5]);
      expect(calls).toBe(run * 3);
      expect(brief(prepared.outcome())).toBe(
        "fulfilled[failed:EAGAIN[fulfilled failed:EAGAIN] failed:EAGAIN[fulfilled failed:EAGAIN] fulfilled[fulfilled fulfilled]]",
      );
    }
  });

  test("P2 runs once at a time", async () => {
    await using ring = await open();
    const prepared = ring.prepare(chain(timeout({ ms: SOON }), nop({ result: 1 })));
    const run = prepared.run();
    expect(prepared.status).toBe("running");
    const again = /it is running, and runs once at a time/;
    expect(thrown(() => prepared.start(() => {})).message).toMatch(again);
    expect(thrown(() => prepared.run()).message).toMatch(again);
    expect(thrown(() => prepared.settle()).message).toMatch(again);
    expect(thrown(() => prepared.value).message).toMatch(again);
    expect(thrown(() => prepared.outcome()).message).toMatch(again);
    expect((await run)[1]).toBe(1);
    const two = [ring.prepare(nop({ result: 1 })), ring.prepare(nop({ result: 2 }))];
    expect(await Promise.all(two.map((each) => each.run()))).toEqual([1, 2]);
  });

  test("P3 takes other operations of the same kind, from that run on", async () => {
    await using ring = await open();
    using file = memoryFile(pattern(4096));
    const target = sys.memfdCreate("target");
    const buffer = new Uint8Array(256);
    const reading = (offset: number) => read({ fd: file.first, buffer, offset }).exact();
    const writing = (offset: number) => write({ fd: target, buffer, offset }).exact();
    const [from, to] = [reading(0), writing(0)];
    const copy = ring.prepare(chain(from, to));
    await copy.run();
    for (let at = 256; at < 4096; at += 256) {
      await copy.run([
        [from, reading(at)],
        [to, writing(at)],
      ]);
    }
    const copied = new Uint8Array(4096);
    sys.pread(target, copied, 0);
    expect(copied).toEqual(pattern(4096));
    buffer.fill(0);
    await copy.run(); // the last once more
    expect(buffer).toEqual(pattern(4096).subarray(3840));
    closeSync(target);
  });

  test("P3 refuses a patch as a whole", async () => {
    await using ring = await open();
    using file = memoryFile(pattern(64));
    const buffer = new Uint8Array(8);
    const at = (offset: number) => read({ fd: file.first, buffer, offset });
    const [a, b] = [at(0), at(8)];
    const prepared = ring.prepare(chain(a, b));
    const refused = (patch: unknown) => thrown(() => prepared.run(patch as never)).message;
    expect(refused("a")).toContain("it must be an array of [operation, instead]");
    expect(refused([[at(0), at(8)]])).toContain("which is no operation of the plan");
    expect(refused([[a, write({ fd: file.first, buffer })]])).toContain("it must be another 'read'");
    expect(refused([[a, undefined]])).toContain("it must be another 'read'");
    expect(refused([a])).toContain("which is no operation of the plan");
    expect(refused([[a, at(8).exact()]])).toContain("differ in");
    expect(refused([[a, within(at(8), 5)]])).toContain("differ in");
    expect(
      refused([
        [a, at(16)],
        [b, at(16).async()],
      ]),
    ).toContain("differ in");
    await prepared.run();
    expect(buffer).toEqual(pattern(64).subarray(8, 16)); // nothing was changed
    expect(thrown(() => prepared.run([], { sgnal: 1 } as never)).message).toContain("did you mean 'signal'");
    expect(thrown(() => ring.prepare(chain(a, b), { link: true } as never)).message).toContain("did you mean 'links'");
    expect(thrown(() => ring.prepare(5 as never)).message).toContain("prepare: plan is 5");
    expect(() => ring.prepare(nop(), { links: 1 } as never)).toThrow("links is 1; it must be true or false");
  });

  test("P4 calls back once for each start, and may be started from there", async () => {
    await using ring = await open();
    const prepared = ring.prepare(group(nop({ result: 1 }), [nop({ result: 2 }), nop({ result: 3 })]));
    let calls = 0;
    await new Promise<void>((resolve) => {
      const over = (it: typeof prepared): void => {
        calls++;
        expect(it).toBe(prepared);
        expect(it.value).toEqual({ leader: 1, members: [2, 3] });
        if (calls < 1000) it.start(over);
        else resolve();
      };
      prepared.start(over);
    });
    await Bun.sleep(5);
    expect(calls).toBe(1000);
    expect([ring.inFlight, ring.raw.inFlight]).toEqual([0, 0]);
  });

  test("P4 tells how it ended, and throws where its promise would reject", async () => {
    await using ring = await open();
    const prepared = ring.prepare(chain(nop({ result: -28 }), nop()));
    expect(prepared.status).toBe("unstarted");
    expect(thrown(() => prepared.value).message).toBe("prepared: it has not run yet");
    await started(prepared);
    expect(prepared.status).toBe("failed");
    expect((thrown(() => prepared.value) as { code?: string }).code).toBe("ENOSPC");
    expect(brief(prepared.outcome())).toBe("failed:ENOSPC[failed:ENOSPC unstarted]");
  });

  test("P4 a callback that throws fails the ring", async () => {
    const ring = await open();
    const prepared = ring.prepare(nop());
    prepared.start(() => {
      throw new Error("callback");
    });
    await Bun.sleep(SOON);
    expect(ring.raw.failure?.message).toContain("callback");
    expect(thrown(() => prepared.start(() => {})).message).toContain("callback");
    await ring.close();
  });

  test("P5 encodes anew when its memory is another, and fails where that cannot be", async () => {
    await using ring = await open();
    using file = memoryFile(pattern(4096));
    const store = new ArrayBuffer(64, { maxByteLength: 128 });
    const buffer = new Uint8Array(store);
    const prepared = ring.prepare(chain(read({ fd: file.first, buffer, offset: 0 }), nop()));
    expect(await prepared.run()).toEqual([64, 0]);
    store.resize(128);
    expect(await prepared.run()).toEqual([128, 0]);
    store.resize(32);
    expect(await prepared.run()).toEqual([32, 0]);
    expect(buffer).toEqual(pattern(32));
    store.transfer();
    expect((await refusal(prepared.run())).message).toContain("buffer is detached");
    const vectors = [new Uint8Array(16), new Uint8Array(16)];
    const many = ring.prepare(readv({ fd: file.first, buffers: vectors, offset: 0 }));
    expect(await many.run()).toBe(32);
    expect(await many.run()).toBe(32);
    structuredClone(vectors[1], { transfer: [vectors[1]!.buffer] });
    expect((await refusal(many.run())).message).toContain("is detached");
    const nothing = new Uint8Array(0);
    const empty = ring.prepare(read({ fd: file.first, buffer: nothing, offset: 0 }));
    expect(await empty.run()).toBe(0);
    structuredClone(nothing, { transfer: [nothing.buffer] });
    expect((await refusal(empty.run())).message).toContain("is detached");
  });

  test("P5 keeps its memory alive", async () => {
    await using ring = await open();
    using pair = socketPair();
    const sent = new TextEncoder().encode("kept");
    const prepared = ring.prepare(chain(send({ fd: pair.first, buffer: sent }), recv({ fd: pair.second, buffer: new Uint8Array(4) })));
    for (let run = 0; run < 50; run++) {
      expect(await prepared.run()).toEqual([4, 4]);
      if (run % 10 === 0) Bun.gc(true);
      Array.from({ length: 100 }, () => new Uint8Array(4)); // whoever reused the memory
    }
  });

  test("P5 writes fixed buffers, and what the options say besides", async () => {
    await using ring = await Ring.open({ entries: 16, fixedBuffers: 1 });
    const target = sys.memfdCreate("target");
    const buffer = ring.fixedBuffer(4096);
    const prepared = ring.prepare(writeFixed({ fd: target, buffer: buffer.slice(0, 16), offset: 8, ioprio: 0x4004 }).exact());
    for (let run = 1; run <= 3; run++) {
      buffer.bytes.fill(run);
      expect(await prepared.run()).toBe(16);
      const now = new Uint8Array(16);
      sys.pread(target, now, 8);
      expect(now).toEqual(new Uint8Array(16).fill(run));
    }
    closeSync(target);
  });

  test("P6 is aborted by a signal, and by itself", async () => {
    await using ring = await open();
    const prepared = ring.prepare(chain(nop(), never(), nop().always()));
    const line = "cancelled[fulfilled cancelled fulfilled]";
    for (let run = 0; run < 3; run++) {
      const controller = new AbortController();
      const reason = new Error("enough");
      setTimeout(() => controller.abort(reason), 5);
      expect(await failure(prepared.run([], { signal: controller.signal }))).toBe(reason);
      expect(brief(prepared.outcome())).toBe(line);
      expect(await failure(prepared.run([], { signal: controller.signal }))).toBe(reason); // aborted before
      expect(brief(prepared.outcome())).toBe("unstarted[unstarted unstarted unstarted]");
      const over = started(prepared);
      setTimeout(() => prepared.abort(), 5);
      await over;
      expect(prepared.status).toBe("cancelled");
      expect(thrown(() => prepared.value).name).toBe("AbortError");
      expect(brief(prepared.outcome())).toBe(line);
    }
    prepared.abort(); // there is nothing to abort
    expect([ring.inFlight, ring.raw.inFlight]).toEqual([0, 0]);
  });

  test("P6 ends with its ring", async () => {
    const ring = await open();
    const prepared = ring.prepare(chain(never(), nop()));
    const run = failure(prepared.run());
    const over = Promise.withResolvers<string>();
    const other = ring.prepare(never());
    other.start(({ status }) => over.resolve(status));
    await Bun.sleep(5);
    await ring.close();
    expect(((await run) as Error).message).toContain("closed");
    expect(await over.promise).toBe("cancelled");
    expect(thrown(() => other.start(() => {})).message).toContain("closed");
    expect((await refusal(prepared.run())).message).toContain("closed");
    expect(thrown(() => ring.prepare(nop())).message).toContain("closed");
  });

  test("waits for room like any plan, and can be aborted there", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    const blocker = new AbortController();
    const blocking = failure(ring.run(all(never(), never(), never()), { signal: blocker.signal }));
    const prepared = ring.prepare(group(nop(), [nop(), nop(), nop()]));
    for (let run = 0; run < 2; run++) {
      const over = started(prepared);
      await Bun.sleep(5);
      expect(prepared.status).toBe("running");
      prepared.abort("no room");
      await over;
      expect(brief(prepared.outcome())).toBe("unstarted[unstarted (unstarted unstarted unstarted)]");
    }
    const run = prepared.run();
    blocker.abort();
    await blocking;
    expect((await run).members).toEqual([0, 0, 0]);
  });

  test("P1 keeps its value for whoever awaits it, also when it runs again before", async () => {
    await using ring = await open();
    const one = nop({ result: 1 });
    const prepared = ring.prepare(one);
    const first = prepared.run();
    // In the same batch, behind it: before its promise has told anybody.
    const again = new Promise<number>((resolve, reject) =>
      ring.prepare(nop()).start(() => prepared.run([[one, nop({ result: 2 })]]).then(resolve, reject)),
    );
    expect(await first).toBe(1);
    expect(await again).toBe(2);
  });

  test("P4 a callback that throws while the ring closes keeps nobody else from hearing of it", async () => {
    const ring = await Ring.open({ entries: 4, cqEntries: 4 });
    const blocked = failure(ring.run(all(never(), never(), never())));
    const waiting = ring.prepare(group(nop(), [nop(), nop(), nop()]));
    const again = (): void => waiting.start(again);
    waiting.start(again);
    const behind = failure(ring.run(all(nop(), nop(), nop())));
    await Bun.sleep(5);
    await ring.close();
    expect([await blocked, await behind].every((error) => error instanceof Error)).toBe(true);
    expect(ring.raw.closed).toBe(true);
  });

  test("P5 looks at each of several buffers", async () => {
    await using ring = await open();
    using file = memoryFile(pattern(256));
    const stores = [new ArrayBuffer(64, { maxByteLength: 128 }), new ArrayBuffer(64, { maxByteLength: 128 })] as const;
    const buffers = stores.map((store) => new Uint8Array(store));
    const prepared = ring.prepare(readv({ fd: file.first, buffers, offset: 0 }));
    expect(await prepared.run()).toBe(128);
    stores[0].resize(32);
    stores[1].resize(96);
    for (const buffer of buffers) buffer.fill(0);
    expect(await prepared.run()).toBe(128);
    expect(buffers[0]).toEqual(pattern(256).subarray(0, 32));
    expect(buffers[1]).toEqual(pattern(256).subarray(32, 128));
  });

  test("P6 an abort is over with the run that it ends, also when the callback begins the next one", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    const blocker = new AbortController();
    const blocking = failure(ring.run(all(never(), never()), { signal: blocker.signal }));
    // The member needs two places, has one, and waits for the other.
    const plan = group(nop(), [step(() => all(nop(), within(never(), LONG)))]);
    const prepared = ring.prepare(plan);
    const ends: string[] = [];
    const over = Promise.withResolvers<void>();
    prepared.start(() => {
      ends.push(prepared.status);
      prepared.start(() => {
        ends.push(prepared.status);
        over.resolve();
      });
    });
    await Bun.sleep(SOON);
    prepared.abort(new Error("first"));
    await Bun.sleep(SOON);
    expect(prepared.status).toBe("running"); // the second run goes its own way
    prepared.abort(new Error("second"));
    await over.promise;
    expect(ends).toEqual(["cancelled", "cancelled"]);
    blocker.abort();
    await blocking;
  });

  test("explains itself as the plan does", async () => {
    await using ring = await open();
    const plan = chain(write({ fd: 3, buffer: new Uint8Array(8) }).exact(), fsync({ fd: 3 }));
    expect(`${ring.prepare(plan).explain()}`).toBe(`${ring.explain(plan)}`);
    expect(`${ring.prepare(plan, { links: false }).explain()}`).toBe(`${ring.explain(plan, { links: false })}`);
  });

  test("leaves no descriptor and no mapping behind", async () => {
    const maps = (): number => readFileSync("/proc/self/maps", "utf8").split("\n").length;
    await using ring = await open();
    for (let i = 0; i < 100; i++) await ring.prepare(group(nop(), [nop(), nop()])).run();
    Bun.gc(true);
    const before = maps();
    for (let i = 0; i < 2000; i++) await ring.prepare(group(nop(), [nop(), nop()])).run();
    Bun.gc(true);
    expect(maps()).toBeLessThan(before + 20);
  });
});
