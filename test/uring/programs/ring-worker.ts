// A Worker that uses a ring as any program would, in the way it is told.
import { nop, Ring, read, recvMultishot, timeout } from "uring-ublk";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<{ way: string; fd: number }>) => {
  const ring = await Ring.open({ entries: 8 });
  if (data.way === "work") {
    let sum = 0;
    for (let i = 0; i < 500; i++) sum += await ring.run(nop({ result: 1 }));
    await ring.run(timeout({ ms: 2 }));
    await ring.close();
    postMessage(sum);
  } else if (data.way === "pending") {
    void ring.settle(read({ fd: data.fd, buffer: new Uint8Array(4096) }));
    void (async () => {
      for await (const _ of ring.run(recvMultishot({ fd: data.fd, group: ring.bufferGroup({ buffers: 4, size: 64 }) })));
    })().catch(() => {});
    await ring.run(timeout({ ms: 1 }));
    postMessage("pending");
  } else {
    ring.raw.allocate(() => {});
    postMessage("idle");
  }
};
