import { failures } from "./failures.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<{ milliseconds: number; seed: number }>) => {
  postMessage(failures(data.milliseconds, data.seed));
};
