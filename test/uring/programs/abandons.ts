// Has everything in flight that can be, says so, and ends in the way the first argument says: nothing is closed, nothing is cancelled.
import {
  acceptMultishot,
  bind,
  futexWait,
  listen,
  type MultishotOperation,
  nop,
  type Operation,
  poll,
  Ring,
  read,
  recvMultishot,
  socket,
  splice,
  timeout,
  timeoutMultishot,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { kernelAtLeast } from "../../support/requires.ts";

const [way = "returns", fdText = "-1"] = process.argv.slice(2);
/** The writing end of the test's own pipe: while somebody has it, the test's reads do not end. */
const held = Number(fdText);

async function abandon(): Promise<void> {
  const ring = await Ring.open({ entries: 64, fixedFiles: 4, fixedBuffers: 1 });
  ring.fixedBuffer(65536);
  if (held >= 0) ring.raw.register.updateFiles(0, [held]);
  const group = ring.bufferGroup({ buffers: 4, size: 256 });
  const [near] = sys.socketpair(1, 1);
  const [reader, writer] = sys.pipe();
  const listener = await ring.run(socket({ domain: 2, type: 1 }));
  await ring.run(bind({ fd: listener, address: { family: "ipv4", address: "127.0.0.1", port: 0 } }));
  await ring.run(listen({ fd: listener }));
  const words = new Int32Array(new SharedArrayBuffer(4));
  const operations: Operation<unknown>[] = [
    read({ fd: reader, buffer: new Uint8Array(4096) }),
    read({ fd: reader, buffer: new Uint8Array(4096) }).async(), // a worker of the kernel waits
    splice({ fdIn: reader, fdOut: writer, length: 10 }), // and another one
    poll({ fd: near, events: 1 }),
    timeout({ ms: 600_000 }),
    ...(kernelAtLeast("6.7") ? [futexWait({ words, value: 0 })] : []),
    nop().drain(),
  ];
  for (const operation of operations) ring.run(operation).catch(() => {});
  const iterations: MultishotOperation<unknown>[] = [
    recvMultishot({ fd: near, group }),
    acceptMultishot({ fd: listener }),
    ...(kernelAtLeast("6.4") ? [timeoutMultishot({ ms: 1 })] : []),
  ];
  for (const many of iterations)
    void (async () => {
      for await (const _ of ring.run(many));
    })().catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
}

if (way === "worker") {
  // The Worker abandons its ring, and ends; the program goes on without it, and ends as well.
  const worker = new Worker(new URL("./abandons.ts", import.meta.url).href, { argv: ["inside"] });
  await new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
  worker.terminate();
  await new Promise((resolve) => worker.addEventListener("close", resolve, { once: true }));
  await using ring = await Ring.open({ entries: 8 });
  console.log(`worker gone, ${await ring.run(nop())}`);
} else {
  await abandon();
  if (!Bun.isMainThread) postMessage("abandoned");
  else {
    console.log("abandoned");
    if (way === "exit") process.exit(7);
    if (way === "throw") throw new Error("on purpose");
    if (way === "kill") process.kill(process.pid, "SIGKILL");
    if (way === "term") process.kill(process.pid, "SIGTERM");
  }
}
