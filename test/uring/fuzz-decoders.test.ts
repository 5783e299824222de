/** Random bytes where the kernel's answers are read: nothing crashes or hangs, and what cannot be right is a typed error or fails the ring. */
import { describe, expect, test } from "bun:test";
import { decodeSocketAddress, ProtocolError, Ring } from "uring-ublk";
import { arrayBufferAt, type RingSyscalls, ringSyscalls, sys } from "uring-ublk/ffi";
import { abi, queryKernel, queryRingHeader, queryZeroCopyReceive, RawRing } from "uring-ublk/uring";
import { decodeControl } from "../../src/uring/control-message.ts";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { socketPair } from "./support/descriptors.ts";
import { Random, SEED } from "./support/random.ts";
import { mereResources, samples } from "./support/samples.ts";

const ROUNDS = 300;
const typed = (error: unknown): boolean => error instanceof TypeError || error instanceof RangeError || error instanceof ProtocolError;

/** Numbers as a result or as flags: small ones, errnos, extremes, anything. */
const number = (random: Random): number => random.pick([0, 1, 8, 64, -1, -11, -125, 0x7fff_ffff, -0x8000_0000, random.word() | 0]);

describe("random bytes", () => {
  test("are never more than a typed error for what an operation makes of its completion", async () => {
    const random = new Random(SEED);
    await using ring = await Ring.open({ entries: 64, cqe: 32, sqe: 128 });
    using group = ring.bufferGroup({ buffers: 8, size: 256 });
    using sendGroup = ring.sendGroup({ buffers: 8, size: 256 });
    const made = samples(mereResources({ group, sendGroup })).map((sample) => {
      const operation = sample.build(sample.options);
      try {
        using raw = new RawRing({ entries: 1, cqe: 32, sqe: 128 });
        const slot = raw.allocate(() => {});
        return { operation, lowering: operation.encode(raw, slot) };
      } catch {
        return { operation, lowering: undefined }; // this kernel does not have it
      }
    });
    let decoded = 0;
    for (const { operation, lowering } of made) {
      if (lowering === undefined) continue;
      const { declaration, options } = operation;
      const { output } = lowering;
      for (let round = 0; round < ROUNDS; round++) {
        const view = new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
        view.set(random.bytes(view.length));
        const [result, flags] = [number(random), number(random)];
        try {
          // What came in a group's buffers is given back: a group must stay as it was.
          const value = declaration.result(result, flags, options as never, lowering) as { release?: () => void } | undefined;
          declaration.shots?.release?.(value as never, options as never, false);
          decoded++;
        } catch (error) {
          if (!typed(error))
            throw new Error(`${operation.name}: result ${result}, flags ${flags}, seed ${SEED}: ${error}`, { cause: error });
        }
      }
    }
    expect(decoded).toBeGreaterThan(ROUNDS * 50);
  }, 60_000);

  test("are some address, whatever they are", () => {
    const random = new Random(SEED + 1);
    for (let round = 0; round < 20 * ROUNDS; round++) {
      const bytes = random.bytes(random.below(140));
      if (random.chance(70)) bytes.set([random.pick([1, 2, 10]), 0].slice(0, bytes.length)); // a family that is known
      expect(["ipv4", "ipv6", "unix", "other"]).toContain(decodeSocketAddress(bytes).family);
    }
  });

  test("are control messages as far as they fit, and no byte further", () => {
    const random = new Random(SEED + 2);
    for (let round = 0; round < 20 * ROUNDS; round++) {
      const bytes = random.bytes(random.below(200));
      const view = new DataView(bytes.buffer);
      // Lengths that lead from one message to the next, most of the time.
      for (let at = 0; at + 8 <= bytes.length; at += 24) if (random.chance(80)) view.setBigUint64(at, BigInt(random.below(48)), true);
      const messages = decodeControl(bytes);
      const total = messages.reduce((sum, { data }) => sum + 16 + data.length, 0);
      expect(total).toBeLessThanOrEqual(bytes.length);
    }
  });

  test("are some set of operations, and some masks, when the kernel is asked", () => {
    const random = new Random(SEED + 3);
    const real = ringSyscalls();
    /** Answers every question with random bytes over what it was asked with. */
    const syscalls: RingSyscalls = {
      ...real,
      register(fd, opcode, argument, count) {
        if (opcode === abi.IORING_REGISTER_PROBE) {
          new Uint8Array(arrayBufferAt(argument, 16 + 8 * count)).set(random.bytes(16 + 8 * count));
          return 0;
        }
        if (opcode !== abi.IORING_REGISTER_QUERY) return real.register(fd, opcode, argument, count);
        const header = new DataView(arrayBufferAt(argument, 40));
        const size = header.getUint32(20, true);
        new Uint8Array(arrayBufferAt(Number(header.getBigUint64(8, true)), size)).set(random.bytes(size));
        return 0;
      },
    };
    for (let round = 0; round < ROUNDS; round++) {
      expect(queryKernel(syscalls)).toBeDefined();
      queryZeroCopyReceive(syscalls);
      queryRingHeader(syscalls);
    }
    using raw = new RawRing({ entries: 1 }, { syscalls });
    for (let round = 0; round < 20; round++) for (const opcode of raw.register.probe()) expect(opcode).toBeLessThan(256);
  });
});

describe("a completion that nobody can have caused", () => {
  const t = requires(kernelAtLeast("6.3"), "flags of a message need Linux 6.3");

  /**
   * CQEs with random user_data, results and flags, sent by the kernel itself on behalf of another ring. What is in flight pins no memory
   * of its own, since a forged end lets go of it, and yields no descriptor, which a forged one would have closed.
   */
  async function shower(random: Random): Promise<{ failed: boolean }> {
    using ends = socketPair();
    using raw = new RawRing({ entries: 8, cqEntries: 64 });
    const cqe = random.pick([16, 32] as const);
    const ring = await Ring.open({ entries: 16, cqe });
    const group = ring.bufferGroup({ buffers: 4, size: 64 });
    const buffers = [new Uint8Array(64), new Uint8Array(64)];
    const api = await import("uring-ublk");
    const settled: Promise<unknown>[] = [
      ring.settle(api.timeout({ ms: 60_000 })),
      ring.settle(api.poll({ fd: ends.first, events: api.POLLIN })),
      ...buffers.map((buffer) => ring.settle(api.read({ fd: ends.first, buffer }))),
      (async () => {
        let items = 0;
        try {
          for await (const chunk of ring.run(api.recvMultishot({ fd: ends.first, group }))) items += chunk.bytes.length;
          return items;
        } catch (error) {
          return error;
        }
      })(),
      (async () => {
        try {
          let items = 0;
          for await (const events of ring.run(api.pollMultishot({ fd: ends.first, events: api.POLLIN })))
            if (events > 0 && ++items > 3) break;
          return items;
        } catch (error) {
          return error;
        }
      })(),
    ];
    ring.kick();
    await ring.run(api.nop());
    for (let i = 0; i < 12 && ring.raw.failure === undefined; i++) {
      const slot = random.chance(70) ? random.below(ring.raw.record.cqEntries) : random.word() | 0;
      const known = slot >= 0 && slot < ring.raw.record.cqEntries;
      const generation = known && random.chance(90) ? ring.raw.generation(slot) : random.word() | 0;
      const flags = random.pick([0, 2, 1, 3, 8, 11, random.below(8) << 16, (random.below(8) << 16) | 3, random.word()]);
      const own = raw.allocate(() => {});
      raw.msgRing(own, ring.raw.fd, slot, generation, number(random), abi.IORING_MSG_RING_FLAGS_PASS, flags);
      raw.enter(1);
      raw.reap();
      raw.release(own);
      if (random.chance(30)) sys.write(ends.second, random.bytes(8));
      await Promise.resolve();
    }
    await ring.run(api.timeout({ ms: 1 })).catch(() => {});
    const failed = ring.raw.failure !== undefined;
    if (failed) expect(ring.raw.failure).toBeInstanceOf(Error);
    await ring.close();
    for (const outcome of await Promise.all(settled)) {
      const reason = (outcome as { reason?: unknown } | undefined)?.reason ?? outcome;
      if (reason instanceof Error) expect(["UringError", "ProtocolError", "TypeError", "RangeError", "AbortError"]).toContain(reason.name);
    }
    expect(ring.inFlight).toBe(0);
    group[Symbol.dispose]();
    expect(buffers.length).toBe(2); // alive until here: the kernel may have written to them late
    return { failed };
  }

  t(
    "fails the ring, or is taken for what it pretends to be; everything settles and the ring closes",
    async () => {
      const random = new Random(SEED + 4);
      let failures = 0;
      for (let round = 0; round < 40; round++) {
        const state = random.word();
        const timer = setTimeout(() => {
          throw new Error(`the ring hangs: seed ${SEED}, round ${round}`);
        }, 20_000);
        if ((await shower(new Random(state))).failed) failures++;
        clearTimeout(timer);
      }
      expect(failures).toBeGreaterThan(20);
    },
    120_000,
  );
});
