/** The same behaviour, whatever the shape of the ring: data, links, time, cancelling, many completions of one operation. */
import { expect } from "bun:test";
import {
  cancelFd,
  FixedFile,
  nop,
  POLLIN,
  POLLOUT,
  poll,
  pollMultishot,
  type Ring,
  read,
  readFixed,
  recvMultishot,
  send,
  timeout,
  timeoutMultishot,
  UringError,
  write,
  writeFixed,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { requires } from "../../support/requires.ts";
import { expectShape, type NamedShape, offered, openRing } from "../shapes.ts";
import { memoryFile, type Pair, pattern, pipe, socketPair } from "./descriptors.ts";

const PART = 512;
const PARTS = Array.from({ length: 32 }, (_, i) => i * PART);

/** Writes a file in parts, all at once, reads it back in parts, and compares. */
async function copies(ring: Ring, file: Pair, modified: <T extends ReturnType<typeof read>>(operation: T) => T): Promise<void> {
  const data = pattern(PARTS.length * PART);
  const back = new Uint8Array(data.length);
  const part = (bytes: Uint8Array, offset: number) => ({ fd: file.first, buffer: bytes.subarray(offset, offset + PART), offset });
  const written = await Promise.all(PARTS.map((offset) => ring.run(modified(write(part(data, offset))))));
  const counts = await Promise.all(PARTS.map((offset) => ring.run(modified(read(part(back, offset))))));
  expect([...written, ...counts]).toEqual([...PARTS, ...PARTS].map(() => PART));
  expect(back).toEqual(data);
}

/** Defines the tests of what a ring of the shape does. */
export function operationsOf(named: NamedShape): void {
  const test = offered(named);
  const open = () => openRing(named, { fixedBuffers: 2, fixedFiles: 2 });

  test("has what was asked for in its record", async () => {
    await using ring = await open();
    expectShape(named, ring);
  });

  test("writes and reads back a file, also from the kernel's worker threads", async () => {
    await using ring = await open();
    using file = memoryFile();
    await copies(ring, file, (operation) => operation);
    await copies(ring, file, (operation) => operation.async());
  });

  test("writes and reads back through a fixed buffer and a fixed file", async () => {
    await using ring = await open();
    using file = memoryFile();
    ring.raw.register.updateFiles(1, [file.first]);
    const fd = new FixedFile(1);
    const [out, back] = [ring.fixedBuffer(8192), ring.fixedBuffer(8192)];
    out.bytes.set(pattern(8192));
    const at = [0, 1024, 4096, 7168];
    for (const offset of at) expect(await ring.run(writeFixed({ fd, buffer: out.slice(offset, 1024), offset }))).toBe(1024);
    for (const offset of at) expect(await ring.run(readFixed({ fd, buffer: back.slice(offset, 1024), offset }))).toBe(1024);
    for (const offset of at) expect(back.bytes.slice(offset, offset + 1024)).toEqual(pattern(8192).slice(offset, offset + 1024));
  });

  test("waits for what comes later", async () => {
    await using ring = await open();
    using ends = pipe();
    const buffer = new Uint8Array(16);
    const reading = ring.run(read({ fd: ends.first, buffer }));
    await Bun.sleep(2);
    sys.write(ends.second, new TextEncoder().encode("later"));
    expect(await reading).toBe(5);
    expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe("later");
    expect(await ring.run(poll({ fd: ends.second, events: POLLOUT }))).toBe(POLLOUT);
  });

  test("times out, once or again and again", async () => {
    await using ring = await open();
    const started = performance.now();
    expect(await ring.run(timeout({ ms: 5 }))).toBe("elapsed");
    expect(performance.now() - started).toBeGreaterThanOrEqual(4.9);
    const ticks = timeoutMultishot({ ms: 1, count: 20 });
    if (!ring.supports(ticks)) return;
    let ticked = 0;
    for await (const tick of ring.run(ticks)) if (tick === "elapsed") ticked++;
    expect(ticked).toBe(20);
  });

  test("lets nothing pass what drains", async () => {
    await using ring = await open();
    using ends = pipe();
    const order: string[] = [];
    const note = (name: string) => () => order.push(name);
    const all = [
      ring.run(read({ fd: ends.first, buffer: new Uint8Array(1) })).then(note("read")),
      ring.run(nop().drain()).then(note("drained")),
    ];
    await Bun.sleep(1);
    expect(order).toEqual([]);
    sys.write(ends.second, new Uint8Array(1));
    await Promise.all(all);
    expect(order).toEqual(["read", "drained"]);
  });

  test("reports a failure with its code, operation and hint", async () => {
    await using ring = await open();
    const error = await ring.run(read({ fd: 1_000_000, buffer: new Uint8Array(8) })).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UringError);
    expect(error).toMatchObject({ code: "EBADF", errno: -9, operation: "read" });
    expect((error as UringError).hint).toContain("descriptor is closed");
    expect(await ring.run(nop())).toBe(0); // and the ring goes on
  });

  test("cancels what is aborted, and only that", async () => {
    await using ring = await open();
    using ends = pipe();
    using other = pipe();
    const abort = new AbortController();
    const reading = ring.run(read({ fd: ends.first, buffer: new Uint8Array(8) }), { signal: abort.signal });
    const polling = ring.run(poll({ fd: other.first, events: POLLIN }));
    await Bun.sleep(1);
    const reason = new Error("enough");
    abort.abort(reason);
    expect(await reading.catch((e: unknown) => e)).toBe(reason);
    sys.write(other.second, new Uint8Array(1));
    expect(await polling).toBe(POLLIN);
  });

  const three = (named.shape.cqEntries ?? named.shape.entries! * 2) > 2;
  const roomy = three ? test : requires(false, "three operations in flight need a CQ for more than two");
  roomy("cancels what waits for a descriptor, and counts it", async () => {
    await using ring = await open();
    using ends = pipe();
    const polls = [0, 1].map(() => ring.settle(poll({ fd: ends.first, events: POLLIN })));
    await ring.run(nop()); // they have been submitted
    expect(await ring.run(cancelFd({ fd: ends.first }))).toBe(2);
    for (const settled of await Promise.all(polls)) expect(settled).toMatchObject({ reason: { code: "ECANCELED" } });
  });

  test("cancels what is pending when it is closed", async () => {
    const ring = await open();
    using ends = pipe();
    const reads = Array.from({ length: 30 }, () => ring.settle(read({ fd: ends.first, buffer: new Uint8Array(8) })));
    await Bun.sleep(1);
    await ring.close();
    for (const settled of await Promise.all(reads)) {
      expect(settled).toMatchObject({ status: "cancelled", reason: { code: "ECANCELED" } });
    }
  });

  test("polls again and again", async () => {
    await using ring = await open();
    using ends = pipe();
    const byte = new Uint8Array(1);
    let told = 0;
    sys.write(ends.second, byte);
    for await (const events of ring.run(pollMultishot({ fd: ends.first, events: POLLIN }))) {
      expect(events).toBe(POLLIN);
      sys.read(ends.first, byte);
      if (++told === 30) break;
      sys.write(ends.second, byte);
    }
    expect(ring.inFlight).toBe(0);
  });

  roomy("receives a stream into a group of buffers, to the byte", async () => {
    await using ring = await open();
    using group = ring.bufferGroup({ buffers: 4, size: 1000 });
    using ends = socketPair();
    const data = pattern(30_000);
    const received: Uint8Array[] = [];
    const sending = (async () => {
      for (let at = 0; at < data.length; at += 3000) await ring.run(send({ fd: ends.first, buffer: data.subarray(at, at + 3000) }));
    })();
    let bytes = 0;
    for await (const chunk of ring.run(recvMultishot({ fd: ends.second, group }))) {
      received.push(chunk.keep());
      bytes += received.at(-1)!.length;
      if (bytes === data.length) break;
    }
    await sending;
    expect(new Uint8Array(Buffer.concat(received))).toEqual(data);
  });
}
