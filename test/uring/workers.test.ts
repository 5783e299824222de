// file timeout: 600 s
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { nop, Ring } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { inVm, kernelAtLeast, requires } from "../support/requires.ts";
import { socketPair } from "./support/descriptors.ts";

// A Worker alone takes seconds to start on an emulated machine that is busy.
setDefaultTimeout(inVm() ? 240_000 : 30_000);

function start(way: string, fd = -1): { worker: Worker; answer: Promise<unknown> } {
  const worker = new Worker(new URL("./programs/ring-worker.ts", import.meta.url).href);
  const answer = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
  worker.postMessage({ way, fd });
  return { worker, answer };
}

const inject = requires(kernelAtLeast("6.10"), "injected results need Linux 6.10");

describe("a ring in a Worker", () => {
  inject("works as on the main thread, several of them at once and beside the main thread's own", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const workers = Array.from({ length: 4 }, () => start("work"));
    let done = false;
    const busy = (async () => {
      while (!done) {
        expect(await ring.run(nop())).toBe(0);
        await Bun.sleep(0); // the Workers' threads share the processors with this one
      }
    })();
    try {
      expect(await Promise.all(workers.map(({ answer }) => answer))).toEqual([500, 500, 500, 500]);
    } finally {
      done = true;
      await busy;
    }
    for (const { worker } of workers) worker.terminate();
  });

  test("may be terminated with operations in flight: late data harms nobody", async () => {
    for (let i = 0; i < 5; i++) {
      using ends = socketPair();
      const { worker, answer } = start("pending", ends.second);
      expect(await answer).toBe("pending");
      worker.terminate();
      await Bun.sleep(5);
      sys.write(ends.first, new Uint8Array(4096).fill(0xaa));
      Bun.gc(true);
      await Bun.sleep(5);
    }
    await using ring = await Ring.open({ entries: 8 });
    expect(await ring.run(nop())).toBe(0);
  });
});
