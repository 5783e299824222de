import { futexWake, Ring } from "uring-ublk";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<SharedArrayBuffer>) => {
  const words = new Int32Array(data);
  await using ring = await Ring.open({ entries: 8 });
  Atomics.store(words, 0, 1);
  await ring.run(futexWake({ words }));
};
