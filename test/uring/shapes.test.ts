import { describe, expect } from "bun:test";
import { nop, POLLIN, poll, read, timeout, UringError, write } from "uring-ublk";
import { type RingSyscalls, ringSyscalls, sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { offered, openRaw, openRing, PROVIDERS, SHAPES } from "./shapes.ts";
import { memoryFile, pattern, pipe } from "./support/descriptors.ts";

for (const provider of PROVIDERS) {
  for (const named of SHAPES) {
    const test = offered(named, provider);
    const testIo = named.nopsOnly ? requires(false, "a polled ring needs a device with poll queues") : test;

    describe(`a ring through ${provider}, ${named.name}`, () => {
      test("records what was set up", async () => {
        await using ring = await openRing(named, provider);
        const { record } = ring;
        expect(record.flagNames).toEqual(expect.arrayContaining([...named.flags]));
        expect(record.syscalls).toBe(provider);
        expect(record.sqEntries).toBe(named.shape.entries!);
        expect(record.cqEntries).toBe(named.shape.cqEntries ?? named.shape.entries! * 2);
        expect(record.sqe).toBe(named.shape.sqe ?? 64);
        expect(record.cqe).toBe(named.shape.cqe ?? 16);
        if (kernelAtLeast("6.6")) expect(record.refused).toEqual([]);
      });

      test("completes many more NOPs than it has entries, each with its own result", async () => {
        await using ring = await openRing(named, provider);
        const wanted = Array.from({ length: 300 }, (_, i) => i);
        const inject = kernelAtLeast("6.10");
        const results = await Promise.all(wanted.map((result) => ring.run(nop(inject ? { result } : {}))));
        expect(results).toEqual(inject ? wanted : wanted.map(() => 0));
        expect(ring.inFlight).toBe(0);
      });

      test("runs one operation after the other without end", async () => {
        await using ring = await openRing(named, provider);
        for (let i = 0; i < 200; i++) expect(await ring.run(nop())).toBe(0);
      });

      test("works through the raw layer alone", () => {
        using raw = openRaw(named, provider);
        let seen = 0;
        const slots = Array.from({ length: named.shape.entries! }, () => raw.allocate(() => seen++));
        for (let round = 1; round <= 40; round++) {
          for (const slot of slots) raw.nop(slot);
          while (raw.inFlight > 0) {
            raw.enter(1);
            raw.reap();
          }
          expect(seen).toBe(round * slots.length);
        }
      });

      test("can be opened and closed again and again", async () => {
        for (let i = 0; i < 20; i++) {
          await using ring = await openRing(named, provider);
          expect(await ring.run(nop())).toBe(0);
        }
      });

      test("leaves the processor alone when nothing completes", async () => {
        let enters = 0;
        const real = ringSyscalls(provider);
        const syscalls: RingSyscalls = {
          ...real,
          enter: (...args) => {
            enters++;
            return real.enter(...args);
          },
        };
        await using ring = await openRing(named, provider, { syscalls });
        using ends = pipe();
        await Promise.all(Array.from({ length: 50 }, () => ring.run(nop())));
        // With something in flight, and with nothing.
        const waits = named.nopsOnly ? [] : [ring.settle(poll({ fd: ends.first, events: POLLIN }))];
        for (let quiet = 0, before = -1; quiet < 2; before = enters) {
          await Bun.sleep(10); // until it has settled down; a ring that spins never does, and the test's time is up
          if (enters === before) quiet++;
        }
        sys.write(ends.second, new Uint8Array(1));
        await Promise.all(waits);
      });

      testIo("writes and reads back a file", async () => {
        await using ring = await openRing(named, provider);
        using file = memoryFile();
        const data = pattern(64 * 1024);
        const parts = Array.from({ length: 32 }, (_, i) => i * 2048);
        await Promise.all(parts.map((offset) => ring.run(write({ fd: file.first, buffer: data.subarray(offset, offset + 2048), offset }))));
        const back = new Uint8Array(data.length);
        const counts = await Promise.all(
          parts.map((offset) => ring.run(read({ fd: file.first, buffer: back.subarray(offset, offset + 2048), offset }))),
        );
        expect(counts).toEqual(parts.map(() => 2048));
        expect(back).toEqual(data);
      });

      testIo("waits for what comes later", async () => {
        await using ring = await openRing(named, provider);
        using ends = pipe();
        const buffer = new Uint8Array(16);
        const reading = ring.run(read({ fd: ends.first, buffer }));
        await Bun.sleep(2);
        sys.write(ends.second, new TextEncoder().encode("later"));
        expect(await reading).toBe(5);
        expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe("later");
        expect(await ring.run(poll({ fd: ends.second, events: 4 }))).toBe(4);
      });

      testIo("times out", async () => {
        await using ring = await openRing(named, provider);
        const started = performance.now();
        expect(await ring.run(timeout({ ms: 5 }))).toBe("elapsed");
        expect(performance.now() - started).toBeGreaterThanOrEqual(4.9);
      });

      testIo("reports a failure with its code, operation and hint", async () => {
        await using ring = await openRing(named, provider);
        const error = await ring.run(read({ fd: 1_000_000, buffer: new Uint8Array(8) })).catch((e: unknown) => e);
        expect(error).toBeInstanceOf(UringError);
        expect(error).toMatchObject({ code: "EBADF", errno: -9, operation: "read" });
        expect((error as UringError).hint).toContain("descriptor is closed");
        expect(await ring.run(nop())).toBe(0); // and the ring goes on
      });

      testIo("cancels what is aborted, and only that", async () => {
        await using ring = await openRing(named, provider);
        using ends = pipe();
        using other = pipe();
        const abort = new AbortController();
        const reading = ring.run(read({ fd: ends.first, buffer: new Uint8Array(8) }), {
          signal: abort.signal,
        });
        const polling = ring.run(poll({ fd: other.first, events: POLLIN }));
        await Bun.sleep(1);
        const reason = new Error("enough");
        abort.abort(reason);
        expect(await reading.catch((e: unknown) => e)).toBe(reason);
        sys.write(other.second, new Uint8Array(1));
        expect(await polling).toBe(POLLIN);
      });

      testIo("cancels what is pending when it is closed", async () => {
        const ring = await openRing(named, provider);
        using ends = pipe();
        const reads = Array.from({ length: 30 }, () => ring.settle(read({ fd: ends.first, buffer: new Uint8Array(8) })));
        await Bun.sleep(1);
        await ring.close();
        for (const settled of await Promise.all(reads)) {
          expect(settled).toMatchObject({ status: "rejected", reason: { code: "ECANCELED" } });
        }
      });
    });
  }
}
