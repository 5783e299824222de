/** A thread that commits a request it has not fetched. Answers the result of its command. */
import { Ring, uringCmd } from "uring-ublk";
import { resultOf } from "./raw-device.ts";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<{ fd: number; cmdOp: number; payload: Uint8Array }>) => {
  const ring = await Ring.open({ entries: 8 });
  const result = await resultOf(ring.run(uringCmd(data)));
  await ring.close();
  self.postMessage(result);
};
