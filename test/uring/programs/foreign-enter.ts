// Enters a ring that another thread made, as its own would.
import { ringSyscalls } from "uring-ublk/ffi";
import { enterError } from "../../../src/uring/enter.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<number>) => {
  const { code, hint } = enterError(ringSyscalls().enter(data, 0, 0, 1, 0, 0));
  postMessage({ code, hint });
};
