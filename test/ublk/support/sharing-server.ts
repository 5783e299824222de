/** Serves a disk that never answers a certain READ, and asks for shared memory while it is open: which waits for it, for ever. */
import { serve } from "uring-ublk";

const UNANSWERED = 2 ** 21 + 2560; // no prober of file systems looks there

const { promise: asked, resolve } = Promise.withResolvers<void>();
const disk = await serve(
  {
    size: "4 MiB",
    read: ({ length }, offset) => {
      if (offset !== UNANSWERED || length !== 512) return;
      resolve();
      return new Promise(() => {});
    },
  },
  { sharedMemory: true, timeoutMs: 3_000 },
);
console.log(`disk ${disk.path}`);
await asked;
const error = await disk.shareMemory({ size: 65536 }).catch((reason: unknown) => reason);
console.log(`share ${error}`);
