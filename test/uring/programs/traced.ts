// Uses rings in known ways, for the test of URING_UBLK_TRACE. What it marks on stderr stands between the trace's lines.
import { openSync } from "node:fs";
import { close, nop, nop128, openatDirect, Ring, read, recvMultishot, send, timeout, uringCmd } from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { kernelAtLeast } from "../../support/requires.ts";
import { openRing, SHAPES } from "../shapes.ts";

const say = (text: string): void => void sys.write(2, new TextEncoder().encode(`${text}\n`));
const NOPS = 40; // more than the queues hold, so that they wrap

const WAYS: Record<string, () => Promise<void>> = {
  async described() {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    const fd = openSync("/proc/version", "r");
    await ring.run(read({ fd, buffer: new Uint8Array(13), offset: 6 }));
    await ring.settle(read({ fd: 9999, buffer: new Uint8Array(13) }));
    await ring.settle(timeout({ ms: 60_000 }), { signal: AbortSignal.timeout(10) });
    await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
    await ring.run(close({ fd }));
    const [near, far] = sys.socketpair(1, 1);
    using group = ring.bufferGroup({ buffers: 8, size: 64 });
    await ring.run(send({ fd: near, buffer: new Uint8Array(5) }));
    for await (const chunk of ring.run(recvMultishot({ fd: far, group }))) if (chunk.bytes.length === 5) break;
    await ring.settle(uringCmd({ fd: near, cmdOp: 0x1234, payload: new Uint8Array([1, 2]) }));
    await ring.run(nop().drain().async()); // the last: behind a drain there are no cancels in the queue
  },
  async raw() {
    const memory = Arena.allocate(4096);
    using ring = new RawRing({ entries: 8 });
    const fd = openSync("/proc/version", "r");
    const slot = ring.allocate(() => {});
    ring.read(slot, fd, memory.address, 5, 0, 0);
    say("MARK queued");
    ring.enter(1);
    say("MARK entered");
    ring.reap();
    say("MARK reaped");
  },
  async mixed() {
    await using ring = await Ring.open({ entries: 8, sqe: "mixed" });
    for (let i = 0; i < 6; i++) await ring.run(i % 2 === 0 ? nop() : nop128());
  },
  async shapes() {
    for (const shape of SHAPES) {
      if (!kernelAtLeast(shape.since)) continue;
      say(`MARK ${shape.name}`);
      await using ring = await openRing(shape);
      await Promise.all(Array.from({ length: NOPS }, (_, result) => ring.run(nop({ result }))));
    }
  },
};

await WAYS[process.argv[2]!]!();
