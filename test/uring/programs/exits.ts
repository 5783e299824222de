// Uses a ring in the way the first argument says, never closes it, and leaves the rest to the process.
import { nop, Ring, read, recvMultishot, timeout } from "uring-ublk";
import { sys } from "uring-ublk/ffi";

const ways: Record<string, (ring: Ring) => Promise<void>> = {
  async nothing() {},
  async nops(ring) {
    for (let i = 0; i < 100; i++) await ring.run(nop());
  },
  async timeouts(ring) {
    for (let i = 0; i < 5; i++) await ring.run(timeout({ ms: 3 }));
  },
  async many(ring) {
    await Promise.all(Array.from({ length: 1000 }, (_, i) => ring.run(timeout({ ms: i % 7 }))));
  },
  async aborted(ring) {
    const [a] = sys.socketpair(1, 1);
    await ring.settle(read({ fd: a, buffer: new Uint8Array(1) }), { signal: AbortSignal.timeout(10) });
  },
  async multishot(ring) {
    const [a, b] = sys.socketpair(1, 1);
    sys.write(a, new Uint8Array(3));
    for await (const _ of ring.run(recvMultishot({ fd: b, group: ring.bufferGroup({ buffers: 2, size: 16 }) }))) break;
  },
  async raw(ring) {
    const slot = ring.raw.allocate(() => console.log("raw"));
    ring.raw.nop(slot);
    ring.kick();
  },
  async failed(ring) {
    const slot = ring.raw.allocate(() => {});
    ring.raw.nop(slot);
    ring.raw.words[9] = 77;
    await ring.run(timeout({ ms: 60_000 })).catch((error: Error) => console.log(error.name));
  },
  async later(ring) {
    void ring.run(timeout({ ms: 300 })).then(() => console.log("after the timeout"));
  },
  async "released-and-again"(ring) {
    for (let i = 0; i < 30; i++) {
      await ring.run(timeout({ ms: 1 }));
      await Bun.sleep(i % 3); // long enough for the driver to let go of the event loop in between
    }
  },
  async input(ring) {
    const buffer = new Uint8Array(16);
    console.log("waiting");
    const n = await ring.run(read({ fd: 0, buffer }));
    console.log(`got ${new TextDecoder().decode(buffer.subarray(0, n))}`);
  },
};

const way = process.argv[2]!;
await ways[way]!(await Ring.open({ entries: 8 }));
console.log(`${way} done`);
