// file timeout: 600 s
import { describe, expect, test } from "bun:test";
import { nop, openatDirect, Ring, read, recvMultishot, timeout } from "uring-ublk";
import { ringSyscalls, sys } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { inVm, kernelAtLeast, requires } from "../support/requires.ts";
import { mappings, openDescriptors, pipe, ringMappings, socketPair } from "./support/descriptors.ts";

/** An emulated machine takes 30 ms to open a ring and close it. */
const ROUNDS = inVm() ? 40 : 200;

/** What a process could leak: descriptors, mappings of rings, other mappings. */
async function footprint(): Promise<{ descriptors: number; rings: number; maps: number }> {
  await Bun.sleep(5); // Bun lets go of a stream's copy of the eventfd in a later turn
  return { descriptors: openDescriptors(), rings: ringMappings(), maps: mappings() };
}

async function expectNoLeak(cycle: (round: number) => Promise<void> | void, rounds = ROUNDS): Promise<void> {
  for (let i = 0; i < 5; i++) await cycle(i); // what is made once, is made now
  const before = await footprint();
  for (let i = 0; i < rounds; i++) await cycle(i);
  let after = await footprint();
  // What Bun itself closes, it may close a little later.
  for (let i = 0; i < 100 && (after.descriptors > before.descriptors || after.rings > before.rings); i++) {
    after = await footprint();
  }
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
  expect(after.rings).toBeLessThanOrEqual(before.rings);
  expect(after.maps - before.maps).toBeLessThan(rounds / 2); // the allocator maps a few for itself
}

describe("nothing is left behind by", () => {
  test("a ring that is opened, used and closed", () =>
    expectNoLeak(async (round) => {
      await using ring = await Ring.open({ entries: 8 });
      if (round % 2 === 0) await ring.run(nop());
      if (round % 5 === 0) await ring.run(timeout({ ms: 1 })); // this one listens to the event loop
    }));

  test("a ring with tables, fixed buffers, a buffer group and a direct descriptor", () =>
    expectNoLeak(async () => {
      await using ring = await Ring.open({ entries: 8, fixedBuffers: 4, fixedFiles: 4 });
      ring.fixedBuffer(65536);
      ring.bufferGroup({ buffers: 4, size: 4096 });
      await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
    }));

  test("a ring that is closed with operations in flight", async () => {
    using ends = pipe();
    await expectNoLeak(async () => {
      const ring = await Ring.open({ entries: 8 });
      const reads = Array.from({ length: 20 }, () => ring.settle(read({ fd: ends.first, buffer: new Uint8Array(16) })));
      await ring.close();
      await Promise.all(reads);
    });
  });

  test("an iteration that is left", async () => {
    using ends = socketPair();
    await expectNoLeak(async () => {
      await using ring = await Ring.open({ entries: 8 });
      using group = ring.bufferGroup({ buffers: 2, size: 16 });
      sys.write(ends.first, new Uint8Array(1));
      for await (const _ of ring.run(recvMultishot({ fd: ends.second, group }))) break;
    });
  });

  test("a raw ring", () =>
    expectNoLeak(() => {
      using raw = new RawRing({ entries: 8 });
      raw.nop(raw.allocate(() => {}));
      raw.enter(1);
      raw.reap();
    }));

  test("a ring without a registered descriptor", () =>
    expectNoLeak(async () => {
      await using ring = await Ring.open({ entries: 8, registerRingFd: false });
      await ring.run(nop());
    }));

  const ownMemory = requires(kernelAtLeast("6.5"), "a ring in its own memory needs Linux 6.5");
  ownMemory("a ring in memory of its own, with nothing but a registered descriptor", () =>
    // The kernel gives a thread sixteen of them.
    expectNoLeak(async () => {
      await using ring = await Ring.open({ entries: 8, ownMemory: true, registeredFdOnly: true });
      await ring.run(nop());
    }),
  );

  test("an SQPOLL ring", () =>
    expectNoLeak(async () => {
      await using ring = await Ring.open({ entries: 8, sqpoll: { idleMs: 1 } });
      await ring.run(nop());
    }, 40));

  test("a ring that cannot be set up", () =>
    expectNoLeak(async () => {
      const real = ringSyscalls();
      const broken = [
        { ...real, setup: () => -12 }, // no memory
        { ...real, register: () => -22 }, // a kernel that knows no registration
      ];
      for (const syscalls of broken) {
        await expect(Ring.open({ entries: 8, syscalls, fixedBuffers: 1 })).rejects.toThrow();
        await expect(Ring.open({ entries: 8, syscalls, fixedFiles: 1 })).rejects.toThrow();
        await expect(Ring.open({ entries: 8, syscalls })).rejects.toThrow();
      }
      await expect(Ring.open({ entries: 8, attachTo: 1_000_000 })).rejects.toThrow();
    }));

  test("a fixed buffer that cannot be registered", async () => {
    await using ring = await Ring.open({ entries: 8, fixedBuffers: 1 });
    await expectNoLeak(() => {
      ring.raw.register.updateBuffers = () => {
        throw new Error("refused");
      };
      expect(() => ring.fixedBuffer(1 << 20)).toThrow("refused");
    });
  });
});
