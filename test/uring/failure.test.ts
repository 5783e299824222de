import { describe, expect, test } from "bun:test";
import { all, type BufferGroup, chain, nop, type Operation, ProtocolError, Ring, read, recvMultishot, timeout } from "uring-ublk";
import { descriptorsDownTo, openDescriptors, pipe, socketPair } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

/** Makes the ring's next NOP complete under a user_data that nobody has. */
function forge(ring: Ring): void {
  const { raw } = ring;
  const slot = raw.allocate(() => {});
  raw.nop(slot);
  for (let at = 0; at < raw.words.length; at += 16) if (raw.words[at + 8] === slot) raw.words[at + 9] = 0x1234567;
  ring.kick();
}

describe("a ring whose kernel breaks the protocol", () => {
  test("rejects everything pending with that error, and everything that comes later", async () => {
    const ring = await Ring.open({ entries: 4 });
    using ends = pipe();
    const pending = Array.from({ length: 20 }, () => failure(ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })))); // some wait for room
    await Bun.sleep(1);
    forge(ring);
    const errors = await Promise.all(pending);
    for (const error of errors) {
      expect(error).toBeInstanceOf(ProtocolError);
      expect(error).toBe(errors[0]);
    }
    expect(await failure(ring.run(nop()))).toBe(errors[0]);
    expect(ring.inFlight).toBe(0);
    await ring.close();
    expect(await failure(ring.run(nop()))).toBe(errors[0]); // the cause, not just "closed"
  });

  test("lets what completed in the same batch have its result", async () => {
    const ring = await Ring.open({ entries: 32 });
    const before = ring.settle(nop());
    forge(ring);
    const after = ring.settle(nop());
    expect(await before).toEqual({ status: "fulfilled", value: 0 });
    expect(await after).toEqual({ status: "fulfilled", value: 0 });
    expect(await failure(ring.run(nop()))).toBeInstanceOf(ProtocolError);
    await ring.close();
  });

  test("tears itself down: its descriptors are gone without a close()", async () => {
    const before = openDescriptors();
    for (let i = 0; i < 10; i++) {
      const ring = await Ring.open({ entries: 4 });
      const pending = failure(ring.run(timeout({ ms: 60_000 })));
      forge(ring);
      expect(await pending).toBeInstanceOf(ProtocolError);
    }
    expect(await descriptorsDownTo(before)).toBeLessThanOrEqual(before);
  });

  test("ends an iteration with the error, and its group can be disposed", async () => {
    const ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    let group: BufferGroup | undefined;
    const loop = (async () => {
      using own = ring.bufferGroup({ buffers: 4, size: 16 });
      group = own;
      for await (const _ of ring.run(recvMultishot({ fd: ends.first, group: own }))) throw new Error("nobody sent anything");
    })();
    await Bun.sleep(1);
    forge(ring);
    expect(await failure(loop)).toBeInstanceOf(ProtocolError);
    expect(group?.held).toBe(0);
  });

  test("ends a close that is under way", async () => {
    const ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const reading = failure(ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })));
    await Bun.sleep(1);
    forge(ring);
    const closing = ring.close();
    await closing;
    expect(await reading).toBeInstanceOf(Error);
  });
});

describe("a buffer that is transferred while the kernel uses it", () => {
  const STARTS: [string, (ring: Ring, reading: Operation<number>) => Promise<unknown>][] = [
    ["alone", (ring, reading) => ring.run(reading)],
    ["in a plan", (ring, reading) => ring.run(all(nop(), reading))],
    ["in a prepared plan", (ring, reading) => ring.prepare(chain(nop(), reading)).run()],
  ];
  test.each(STARTS)("%s, fails the ring, for memory may be corrupted", async (_name, start) => {
    const ring = await Ring.open({ entries: 8 });
    using ends = pipe();
    const buffer = new Uint8Array(4096);
    const reading = failure(start(ring, read({ fd: ends.first, buffer })));
    const other = failure(ring.run(timeout({ ms: 60_000 })));
    await Bun.sleep(1);
    const moved = buffer.buffer.transfer(); // kept alive here, so that the late write finds memory
    await Bun.write(Bun.file(ends.second), "late");
    expect(await reading).toMatchObject({
      name: "ProtocolError",
      message: expect.stringContaining("'read' was transferred"),
    });
    expect(await other).toBeInstanceOf(ProtocolError);
    expect(moved.byteLength).toBe(4096);
    await ring.close();
  });
});

describe("a raw handler that throws while the ring drives itself", () => {
  test("fails the ring with its error, because nobody else would hear it", async () => {
    const ring = await Ring.open({ entries: 8 });
    const pending = failure(ring.run(timeout({ ms: 60_000 })));
    const slot = ring.raw.allocate(() => {
      throw new Error("from the handler");
    });
    ring.raw.nop(slot);
    ring.kick();
    expect(await pending).toMatchObject({ message: "from the handler" });
    await ring.close();
  });

  test("does nothing to the ring when somebody hears it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const heard: unknown[] = [];
    ring.raw.onHandlerError = (error) => heard.push(error);
    const slot = ring.raw.allocate(() => {
      throw new Error("from the handler");
    });
    ring.raw.nop(slot);
    ring.kick();
    await ring.run(timeout({ ms: 1 }));
    expect(heard).toMatchObject([{ message: "from the handler" }]);
    expect(await ring.run(nop())).toBe(0);
  });
});
