import { describe, expect, test } from "bun:test";
import {
  acceptMultishot,
  acceptMultishotDirect,
  closeDirect,
  FixedFile,
  peerName,
  Ring,
  recv,
  send,
  socketDirect,
  socketName,
  timeout,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { downTo, openOf } from "./support/descriptors.ts";
import { bytesOf, connected, type Descriptor, failure, type Listener, listening, udp } from "./support/network.ts";

const clients = (ring: Ring, listener: Listener, count: number): Promise<Descriptor[]> =>
  Promise.all(Array.from({ length: count }, () => connected(ring, listener)));

const closeAll = (all: readonly Descriptor[]): void => {
  for (const one of all) one.close();
};

/** Whether the other end is closed: a receive finds the end, or a reset. */
async function isClosed(ring: Ring, client: Descriptor): Promise<boolean> {
  const settled = await ring.settle(recv({ fd: client.fd, buffer: new Uint8Array(1) }), { signal: AbortSignal.timeout(2000) });
  return settled.status === "fulfilled" ? settled.value === 0 : (settled.reason as { code?: string }).code === "ECONNRESET";
}

describe("a multishot accept", () => {
  test("yields every connection, each with its own peer", async () => {
    await using ring = await Ring.open({ entries: 64 });
    using listener = await listening(ring);
    const all = await clients(ring, listener, 30);
    const names = new Set(all.map(({ fd }) => JSON.stringify(socketName(fd))));
    let count = 0;
    for await (const fd of ring.run(acceptMultishot({ fd: listener.fd }))) {
      expect(names.delete(JSON.stringify(peerName(fd)))).toBe(true);
      expect(sys.fcntl(fd, 1)).toBe(1); // close-on-exec
      sys.close(fd);
      if (++count === 30) break;
    }
    expect(ring.inFlight).toBe(0);
    closeAll(all);
  });

  test("waits for connections that come later", async () => {
    await using ring = await Ring.open({ entries: 64 });
    using listener = await listening(ring);
    const accepted: number[] = [];
    const done = (async () => {
      for await (const fd of ring.run(acceptMultishot({ fd: listener.fd, pollFirst: true }))) {
        sys.close(fd);
        if (accepted.push(fd) === 10) break;
      }
    })();
    for (let i = 0; i < 10; i++) {
      using client = await connected(ring, listener);
      expect(await isClosed(ring, client)).toBe(true);
    }
    await done;
    expect(accepted.length).toBe(10);
  });

  test("goes on when the kernel ended it because the CQ was full", async () => {
    await using ring = await Ring.open({ entries: 4, cqEntries: 4 });
    using listener = await listening(ring);
    const all = await clients(ring, listener, 40);
    let count = 0;
    for await (const fd of ring.run(acceptMultishot({ fd: listener.fd }))) {
      sys.close(fd);
      if (++count === 40) break;
    }
    closeAll(all);
  });

  test("closes what nobody took when the loop is left", async () => {
    await using ring = await Ring.open({ entries: 64 });
    using listener = await listening(ring);
    const before = openOf();
    const all = await clients(ring, listener, 20);
    for await (const fd of ring.run(acceptMultishot({ fd: listener.fd }))) {
      sys.close(fd);
      break;
    }
    expect(openOf()).toBe(before + 20); // the clients' own
    // Whoever was accepted is told; the rest waits in the listener for the next iteration.
    listener.close();
    for (const client of all) expect(await isClosed(ring, client)).toBe(true);
    closeAll(all);
    expect(ring.raw.inFlight).toBe(0);
  });

  test("closes what nobody took when it is aborted, even if nobody ever comes back", async () => {
    await using ring = await Ring.open({ entries: 64 });
    using listener = await listening(ring);
    const before = openOf();
    const abort = new AbortController();
    const iterator = ring.run(acceptMultishot({ fd: listener.fd }), { signal: abort.signal });
    const all = await clients(ring, listener, 20);
    const { value } = await iterator.next();
    sys.close(value);
    await ring.run(timeout({ ms: 5 })); // the others have been accepted by now
    abort.abort(new Error("enough"));
    expect(await downTo(before + 20)).toBe(before + 20);
    expect(await failure(iterator.next())).toMatchObject({ message: "enough" });
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
    closeAll(all);
  });

  test("is stopped when it runs ahead of its consumer, and started again when everything was taken", async () => {
    await using ring = await Ring.open({ entries: 256 });
    using listener = await listening(ring, 1024);
    const iterator = ring.run(acceptMultishot({ fd: listener.fd }));
    const first = iterator.next();
    const all: Descriptor[] = [];
    for (let i = 0; i < 150; i++) all.push(await connected(ring, listener)); // one by one, so that it can be stopped
    const before = ring.raw.inFlight;
    sys.close((await first).value);
    expect(before).toBe(0); // it is paused: nothing is in flight
    for (let i = 1; i < 150; i++) sys.close((await iterator.next()).value);
    const late = iterator.next();
    all.push(await connected(ring, listener));
    sys.close((await late).value);
    await iterator.return?.();
    closeAll(all);
  });

  test("can be left while it waits", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using listener = await listening(ring);
    const iterator = ring.run(acceptMultishot({ fd: listener.fd }));
    const waiting = iterator.next();
    await Bun.sleep(1);
    expect(await iterator.return!()).toEqual({ value: undefined, done: true });
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect(ring.raw.inFlight).toBe(0);
  });

  test("serves several steps at once, in order", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using listener = await listening(ring);
    const iterator = ring.run(acceptMultishot({ fd: listener.fd }));
    const steps = [iterator.next(), iterator.next(), iterator.next()];
    const all: Descriptor[] = [];
    for (let i = 0; i < 3; i++) all.push(await connected(ring, listener));
    const names = all.map(({ fd }) => socketName(fd));
    for (const [i, step] of steps.entries()) {
      const { value } = await step;
      expect(peerName(value)).toEqual(names[i]!);
      sys.close(value);
    }
    await iterator.return?.();
    closeAll(all);
  });

  test("ends with the error that ended it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using datagrams = await udp(ring);
    const loop = async (fd: number): Promise<void> => {
      for await (const _ of ring.run(acceptMultishot({ fd }))) break;
    };
    expect(await failure(loop(datagrams.fd))).toMatchObject({ code: "EOPNOTSUPP", operation: "acceptMultishot" });
    expect(await failure(loop(1_000_000))).toMatchObject({ code: "EBADF" });
    expect(await failure(loop(-5))).toMatchObject({ name: "RangeError" });
  });

  test("ends with the ring, and closes what waited", async () => {
    const ring = await Ring.open({ entries: 64 });
    await using other = await Ring.open({ entries: 8 });
    using listener = await listening(other);
    const before = openOf();
    const iterator = ring.run(acceptMultishot({ fd: listener.fd }));
    const all = await clients(other, listener, 10);
    sys.close((await iterator.next()).value);
    await ring.run(timeout({ ms: 5 }));
    await ring.close();
    expect(await failure(iterator.next())).toMatchObject({ code: "ECANCELED", operation: "close" });
    closeAll(all);
    expect(await downTo(before)).toBeLessThanOrEqual(before);
  });

  test("posts a CQE for every connection on the raw layer", async () => {
    await using ring = await Ring.open({ entries: 16 });
    using listener = await listening(ring);
    const all = await clients(ring, listener, 5);
    using raw = new RawRing({ entries: 8 });
    const fds: number[] = [];
    const slot = raw.allocate((result) => fds.push(result), "many");
    raw.acceptMultishot(slot, listener.fd, 0);
    while (fds.length < 5) {
      raw.enter(1);
      raw.reap();
    }
    expect(raw.inFlightAt(slot)).toBe(true);
    for (const fd of fds) sys.close(fd);
    closeAll(all);
  });
});

describe("a multishot accept into the file table", () => {
  test("fills slots, which are closed when nobody takes them", async () => {
    await using ring = await Ring.open({ entries: 32, fixedFiles: 8 });
    using listener = await listening(ring);
    for (let round = 0; round < 10; round++) {
      const all = await clients(ring, listener, 8);
      for await (const connection of ring.run(acceptMultishotDirect({ fd: listener.fd }))) {
        expect(connection).toBeInstanceOf(FixedFile);
        await ring.run(send({ fd: connection, buffer: bytesOf("x") }));
        await ring.run(closeDirect({ slot: connection }));
        break;
      }
      closeAll(all);
    }
    // Every slot is empty.
    for (let i = 0; i < 8; i++) expect((await ring.run(socketDirect({ domain: 2, type: 1, slot: "any" }))).slot).toBeLessThan(8);
  });

  test("ends when the table is full, and says so", async () => {
    await using ring = await Ring.open({ entries: 32, fixedFiles: 3 });
    using listener = await listening(ring);
    const all = await clients(ring, listener, 5);
    const taken: FixedFile[] = [];
    const loop = async (): Promise<void> => {
      for await (const connection of ring.run(acceptMultishotDirect({ fd: listener.fd }))) taken.push(connection);
    };
    expect(await failure(loop())).toMatchObject({ code: "ENFILE", hint: expect.stringMatching(/file table is full/) });
    expect(taken.map(({ slot }) => slot).sort()).toEqual([0, 1, 2]);
    closeAll(all);
  });

  test("needs a table", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using listener = await listening(ring);
    using client = await connected(ring, listener);
    const first = ring.run(acceptMultishotDirect({ fd: listener.fd })).next();
    expect(["ENFILE", "ENXIO"]).toContain(((await failure(first)) as { code: string }).code);
    expect(client.fd).toBeGreaterThan(0);
  });
});
