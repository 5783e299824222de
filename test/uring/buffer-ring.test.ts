/** Buffers that the kernel picks from, on the raw layer: io_uring_buf_ring_add(3) and its like. */
import { describe, expect } from "bun:test";
import { writeSync } from "node:fs";
import { abi, type BufferRing, type BufferRingOptions, RawRing } from "uring-ublk/uring";
import { inVm, kernelAtLeast, requires } from "../support/requires.ts";
import { type Pair, socketPair } from "./support/descriptors.ts";

const test = requires(kernelAtLeast("5.19"), "buffer rings need Linux 5.19");
const status = requires(kernelAtLeast("6.8"), "IORING_REGISTER_PBUF_STATUS needs Linux 6.8");
const ENOBUFS = -105;
/** The tail has 16 bits: it comes round after 65536 buffers. An emulated machine takes too long for so many. */
const ROUNDS = inVm() ? 3_000 : 70_000;

const send = (pair: Pair, text: string): number => writeSync(pair.second, text);

interface Got {
  readonly result: number;
  readonly buffer: number;
  readonly text: string;
}

/** Receives once into a buffer of the ring. */
function receiver(raw: RawRing, buffers: BufferRing, size: number, fd: number): () => Got {
  let got: Got | undefined;
  const slot = raw.allocate((result, flags) => {
    const buffer = (flags & abi.IORING_CQE_F_BUFFER) === 0 ? -1 : flags >>> abi.IORING_CQE_BUFFER_SHIFT;
    const text = buffer < 0 ? "" : new TextDecoder().decode(buffers.data.bytes(buffer * size, Math.max(result, 0)).slice());
    got = { result, buffer, text };
  });
  return () => {
    raw.recv(slot, fd, 0, size, 0, buffers.id);
    raw.setFlags(abi.IOSQE_BUFFER_SELECT);
    raw.enter(1);
    raw.reap();
    return got!;
  };
}

describe("a ring of buffers", () => {
  test("is taken from in the order of giving, over many rounds of the ring and of its tail", () => {
    using pair = socketPair();
    using raw = new RawRing({ entries: 4 });
    using buffers = raw.bufferRing({ group: 7, buffers: 4, size: 64 });
    const receive = receiver(raw, buffers, 64, pair.first);
    let expected = 0;
    for (let round = 0; round < ROUNDS; round++) {
      send(pair, `message ${round}`);
      const { result, buffer, text } = receive();
      if (buffer !== expected || text !== `message ${round}`) expect({ round, result, buffer, text }).toEqual({} as never);
      expected = buffers.after(buffer);
      buffers.give(buffer);
      buffers.publish();
    }
    expect(buffers.address(3) - buffers.address(0)).toBe(3 * 64);
  });

  test("answers ENOBUFS when it is empty, and goes on when a buffer is given, in part too", () => {
    using pair = socketPair();
    using raw = new RawRing({ entries: 4 });
    using buffers = raw.bufferRing({ group: 0, buffers: 2, size: 16 });
    const receive = receiver(raw, buffers, 16, pair.first);
    for (const buffer of [0, 1]) {
      send(pair, "one two");
      expect(receive()).toEqual({ result: 7, buffer, text: "one two" });
    }
    send(pair, "three four");
    expect(receive()).toEqual({ result: ENOBUFS, buffer: -1, text: "" });
    buffers.give(1, 5);
    expect(receive().result).toBe(ENOBUFS); // not shown yet
    buffers.publish();
    expect(receive()).toEqual({ result: 5, buffer: 1, text: "three" });
  });

  status("counts what is left, as the kernel does", () => {
    using pair = socketPair();
    using raw = new RawRing({ entries: 4 });
    using buffers = raw.bufferRing({ group: 1, buffers: 8, size: 16 });
    expect(buffers.left()).toBe(8);
    send(pair, "x");
    const { buffer } = receiver(raw, buffers, 16, pair.first)();
    expect(buffers.left()).toBe(7);
    buffers.give(buffer);
    buffers.publish();
    expect(buffers.left()).toBe(8);
  });

  test("is refused by name when its options cannot be, and gives its group back", () => {
    using raw = new RawRing({ entries: 4 });
    const good: BufferRingOptions = { group: 1, buffers: 2, size: 16 };
    for (const [options, message] of [
      [{ ...good, group: 65536 }, /bufferRing: group is 65536/],
      [{ ...good, group: -1 }, /group is -1/],
      [{ ...good, buffers: 3 }, /buffers is 3; it must be a power of two/],
      [{ ...good, buffers: 65536 }, /buffers is 65536/],
      [{ ...good, size: 0 }, /size is 0/],
      [{ ...good, minLeft: 8 }, /minLeft needs incremental: true/],
      [{ ...good, grop: 1 }, /no option 'grop'/],
    ] as const) {
      expect(() => raw.bufferRing(options as never)).toThrow(message);
    }
    for (let i = 0; i < 3; i++) {
      using buffers = raw.bufferRing(good);
      expect(() => raw.bufferRing(good)).toThrow(/EEXIST/);
      expect(buffers.id).toBe(1);
      buffers.dispose();
      buffers.dispose();
    }
  });
});
