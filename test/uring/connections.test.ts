import { describe, expect, test } from "bun:test";
import {
  type Accepted,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  accept,
  acceptDirect,
  bind,
  closeDirect,
  connect,
  FixedFile,
  getsockname,
  getsockopt,
  IPPROTO_TCP,
  listen,
  type Operation,
  peerName,
  Ring,
  recv,
  SHUT_RDWR,
  SHUT_WR,
  SO_ERROR,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_TYPE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  send,
  setsockopt,
  shutdown,
  siocinq,
  siocoutq,
  socket,
  socketDirect,
  socketName,
  TCP_NODELAY,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { openOf, socketPair, TemporaryFolder } from "./support/descriptors.ts";
import { bytesOf, connected, Descriptor, failure, LOOPBACK, listening, tcp, text, udp } from "./support/network.ts";

const F_GETFD = 1;
const F_GETFL = 3;

describe("a socket", () => {
  test("is made with the type that was asked for, and is closed on exec", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using made = new Descriptor(await ring.run(socket({ domain: AF_INET, type: SOCK_DGRAM | SOCK_NONBLOCK })));
    expect(sys.fcntl(made.fd, F_GETFD)).toBe(1);
    expect(sys.fcntl(made.fd, F_GETFL) & SOCK_NONBLOCK).toBe(SOCK_NONBLOCK);
    const value = new Int32Array(1);
    expect(await ring.run(getsockopt({ fd: made.fd, level: SOL_SOCKET, name: SO_TYPE, value }))).toBe(4);
    expect(value[0]).toBe(SOCK_DGRAM);
  });

  test("can be a slot of the file table, all its life long", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
    const before = openOf();
    const server = await ring.run(socketDirect({ domain: AF_INET, type: SOCK_STREAM | SOCK_CLOEXEC, slot: new FixedFile(2) }));
    expect(server.slot).toBe(2);
    const address = { family: "unix", abstract: `uring-ublk-${process.pid}` } as const;
    const listener = await ring.run(socketDirect({ domain: AF_UNIX, type: SOCK_STREAM, slot: "any" }));
    expect([0, 1, 3]).toContain(listener.slot);
    await ring.run(bind({ fd: listener, address }));
    await ring.run(listen({ fd: listener }));
    const client = await ring.run(socketDirect({ domain: AF_UNIX, type: SOCK_STREAM, slot: "any" }));
    await ring.run(connect({ fd: client, address }));
    const connection = await ring.run(acceptDirect({ fd: listener, slot: "any" }));
    await ring.run(send({ fd: client, buffer: bytesOf("through slots") }));
    const buffer = new Uint8Array(20);
    expect(await ring.run(recv({ fd: connection, buffer }))).toBe(13);
    expect(text(buffer.subarray(0, 13))).toBe("through slots");
    expect(openOf()).toBe(before);
    expect(await failure(ring.run(socketDirect({ domain: AF_INET, type: SOCK_STREAM, slot: "any" })))).toMatchObject({ code: "ENFILE" });
    for (const slot of [server, listener, client, connection]) await ring.run(closeDirect({ slot }));
  });

  test("says what is wrong when it cannot be made", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(socket({ domain: 999, type: SOCK_STREAM })))).toMatchObject({
      code: "EAFNOSUPPORT",
      operation: "socket",
    });
    expect(await failure(ring.run(socketDirect({ domain: AF_INET, type: SOCK_STREAM, slot: new FixedFile(0) })))).toMatchObject({
      code: "ENXIO",
      hint: expect.stringMatching(/fixedFiles/),
    });
    expect(await failure(ring.run(socket({ domain: -1, type: 1 })))).toMatchObject({
      name: "RangeError",
      message: expect.stringMatching(/socket: domain is -1/),
    });
    expect(await failure(ring.run(socketDirect({ domain: 2, type: 1, slot: 3 as never })))).toMatchObject({
      message: expect.stringMatching(/slot is 3/),
    });
    expect(() => socket({ domain: 2, typ: 1 } as never)).toThrow(/did you mean 'type'/);
  });

  test("that arrives after an abort is closed", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    const before = openOf();
    for (let i = 0; i < 20; i++) {
      const abort = new AbortController();
      const making = [
        socket({ domain: AF_INET, type: SOCK_STREAM }),
        socketDirect({ domain: AF_INET, type: SOCK_STREAM, slot: "any" }),
      ].map((operation) => failure(ring.run<unknown>(operation, { signal: abort.signal })));
      abort.abort(new Error("stop"));
      for (const error of await Promise.all(making)) expect(error).toMatchObject({ message: "stop" });
    }
    expect(openOf()).toBe(before);
    const slot = await ring.run(socketDirect({ domain: AF_INET, type: SOCK_STREAM, slot: "any" })); // there is room
    await ring.run(closeDirect({ slot }));
  });
});

describe("a connection", () => {
  test("over TCP carries data both ways, and names both ends", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using listener = await listening(ring);
    using client = await connected(ring, listener);
    const { fd, address } = await ring.run(accept({ fd: listener.fd, address: true }));
    using server = new Descriptor(fd);
    expect(address).toEqual(socketName(client.fd));
    expect(peerName(client.fd)).toEqual(listener.address);
    expect(sys.fcntl(server.fd, F_GETFD)).toBe(1);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      const buffer = new Uint8Array(8);
      await ring.run(send({ fd: from.fd, buffer: bytesOf("hello") }));
      expect(await ring.run(recv({ fd: to.fd, buffer }))).toBe(5);
    }
  });

  test("over IPv6", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using server = new Descriptor(await ring.run(socket({ domain: AF_INET6, type: SOCK_STREAM })));
    await ring.run(bind({ fd: server.fd, address: { family: "ipv6", address: "::1", port: 0 } }));
    await ring.run(listen({ fd: server.fd }));
    using client = new Descriptor(await ring.run(socket({ domain: AF_INET6, type: SOCK_STREAM })));
    await ring.run(connect({ fd: client.fd, address: socketName(server.fd) }));
    const { fd, address } = await ring.run(accept({ fd: server.fd, address: true }));
    sys.close(fd);
    expect(address).toMatchObject({ family: "ipv6", address: "::1" });
  });

  test("over a unix socket with a path", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    const address = { family: "unix", path: folder.file("socket") } as const;
    using server = new Descriptor(await ring.run(socket({ domain: AF_UNIX, type: SOCK_STREAM })));
    using client = new Descriptor(await ring.run(socket({ domain: AF_UNIX, type: SOCK_STREAM })));
    expect(await failure(ring.run(connect({ fd: client.fd, address })))).toMatchObject({ code: "ENOENT", operation: "connect" });
    await ring.run(bind({ fd: server.fd, address }));
    expect(await failure(ring.run(connect({ fd: client.fd, address })))).toMatchObject({ code: "ECONNREFUSED" });
    await ring.run(listen({ fd: server.fd }));
    await ring.run(connect({ fd: client.fd, address }));
    expect(socketName(server.fd)).toEqual(address);
    expect(peerName(client.fd)).toEqual(address);
    const accepted = await ring.run(accept({ fd: server.fd, address: true }));
    sys.close(accepted.fd);
    expect(accepted.address).toEqual({ family: "unix" }); // a client without a name
  });

  test("is refused with the reason", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using listener = await listening(ring);
    const { address } = listener;
    using second = new Descriptor(await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM })));
    expect(await failure(ring.run(bind({ fd: second.fd, address })))).toMatchObject({ code: "EADDRINUSE", operation: "bind" });
    expect(await failure(ring.run(listen({ fd: 1_000_000 })))).toMatchObject({ code: "EBADF", operation: "listen" });
    using datagrams = await udp(ring);
    expect(await failure(ring.run(listen({ fd: datagrams.fd })))).toMatchObject({ code: "EOPNOTSUPP" });
    listener.close();
    expect(await failure(ring.run(connect({ fd: second.fd, address })))).toMatchObject({ code: "ECONNREFUSED", operation: "connect" });
    expect(await failure(ring.run(connect({ fd: second.fd, address: { family: "ipv4", address: "300.0.0.1", port: 1 } })))).toMatchObject({
      name: "RangeError",
    });
    expect(await failure(ring.run(bind({ fd: second.fd } as never)))).toMatchObject({
      name: "TypeError",
      message: expect.stringMatching(/bind: address is missing/),
    });
    expect(ring.raw.inFlight).toBe(0);
  });

  test("ends in the direction that is shut down", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = await tcp(ring);
    const { near, far } = ends;
    expect(await ring.run(shutdown({ fd: near.fd, how: SHUT_WR }))).toBe(0);
    expect(await ring.run(recv({ fd: far.fd, buffer: new Uint8Array(8) }))).toBe(0);
    expect(await failure(ring.run(send({ fd: near.fd, buffer: bytesOf("x") })))).toMatchObject({ code: "EPIPE" });
    await ring.run(send({ fd: far.fd, buffer: bytesOf("the other way") }));
    expect(await ring.run(recv({ fd: near.fd, buffer: new Uint8Array(20) }))).toBe(13);
    using alone = new Descriptor(await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM })));
    expect(await failure(ring.run(shutdown({ fd: alone.fd, how: SHUT_RDWR })))).toMatchObject({ code: "ENOTCONN" });
    expect(await failure(ring.run(shutdown({ fd: alone.fd, how: 3 })))).toMatchObject({
      name: "RangeError",
      message: expect.stringMatching(/how is 3/),
    });
  });

  test("that is shut down wakes whoever waits for data", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = await tcp(ring);
    const waiting = ring.run(recv({ fd: ends.near.fd, buffer: new Uint8Array(8), pollFirst: true }));
    await ring.run(shutdown({ fd: ends.near.fd, how: SHUT_RDWR }));
    expect(await waiting).toBe(0);
  });
});

describe("an accept", () => {
  test("waits for a connection, or does not", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using listener = await listening(ring);
    const waiting = ring.run(accept({ fd: listener.fd, pollFirst: true }));
    using client = await connected(ring, listener);
    sys.close(await waiting);
    expect(await failure(ring.run(accept({ fd: listener.fd, dontWait: true })))).toMatchObject({ code: "EAGAIN", operation: "accept" });
    expect(client.fd).toBeGreaterThan(0);
  });

  test("makes the connection non-blocking on request", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using listener = await listening(ring);
    using client = await connected(ring, listener);
    using server = new Descriptor(await ring.run(accept({ fd: listener.fd, nonblocking: true })));
    expect(sys.fcntl(server.fd, F_GETFL) & SOCK_NONBLOCK).toBe(SOCK_NONBLOCK);
    const waiting = ring.run(recv({ fd: server.fd, buffer: new Uint8Array(1) })); // and yet it waits
    await ring.run(send({ fd: client.fd, buffer: bytesOf("x") }));
    expect(await waiting).toBe(1);
  });

  test("needs a socket that listens", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using datagrams = await udp(ring);
    using alone = new Descriptor(await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM })));
    expect(await failure(ring.run(accept({ fd: alone.fd })))).toMatchObject({
      code: "EINVAL",
      hint: expect.stringMatching(/does not listen/),
    });
    expect(await failure(ring.run(accept({ fd: datagrams.fd })))).toMatchObject({ code: "EOPNOTSUPP" });
  });

  test("that is aborted closes the connection it crossed with", async () => {
    await using ring = await Ring.open({ entries: 16, fixedFiles: 2 });
    using listener = await listening(ring);
    const before = openOf();
    let stopped = 0;
    for (let round = 0; round < 60; round++) {
      const abort = new AbortController();
      const direct = round % 2 === 0;
      const operation = direct ? acceptDirect({ fd: listener.fd, slot: "any" }) : accept({ fd: listener.fd, address: true });
      const accepting = ring.settle(operation as Operation<unknown>, { signal: abort.signal });
      if (round % 3 === 0) await Bun.sleep(0); // the accept waits already
      using client = await connected(ring, listener);
      if (round % 3 === 1) ring.raw.enter(0); // the kernel has accepted; the completion has not been seen
      abort.abort(new Error("stop"));
      const outcome = await accepting;
      expect(client.fd).toBeGreaterThan(0);
      if (outcome.status !== "fulfilled") {
        expect(outcome.reason).toMatchObject({ message: "stop" });
        stopped++;
      } else if (direct) await ring.run(closeDirect({ slot: outcome.value as FixedFile }));
      else sys.close((outcome.value as Accepted<number>).fd);
    }
    for (;;) {
      const settled = await ring.settle(accept({ fd: listener.fd, dontWait: true })); // what no accept ever saw
      if (settled.status !== "fulfilled") break;
      sys.close(settled.value);
    }
    expect(stopped).toBeLessThanOrEqual(60);
    expect(openOf()).toBe(before);
    for (let i = 0; i < 2; i++) await ring.run(socketDirect({ domain: AF_INET, type: SOCK_STREAM, slot: "any" })); // both slots are empty
  });
});

const commands = requires(kernelAtLeast("6.7"), "socket commands need Linux 6.7");

describe("a command of a socket", () => {
  commands("tells how much waits on either side", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = await tcp(ring);
    await ring.run(send({ fd: ends.near.fd, buffer: new Uint8Array(1000) }));
    expect(await ring.run(siocinq({ fd: ends.far.fd }))).toBe(1000);
    expect(await ring.run(siocoutq({ fd: ends.far.fd }))).toBe(0);
    expect(await ring.run(recv({ fd: ends.far.fd, buffer: new Uint8Array(400) }))).toBe(400);
    expect(await ring.run(siocinq({ fd: ends.far.fd }))).toBe(600);
  });

  commands("reads and sets options", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    using made = new Descriptor(await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM })));
    const { fd } = made;
    const value = new Int32Array(1);
    const option = async (name: number): Promise<number> => {
      await ring.run(getsockopt({ fd, level: SOL_SOCKET, name, value }));
      return value[0]!;
    };
    expect(await option(SO_REUSEADDR)).toBe(0);
    expect(await ring.run(setsockopt({ fd, level: SOL_SOCKET, name: SO_REUSEADDR, value: 1 }))).toBe(0);
    expect(await option(SO_REUSEADDR)).toBe(1);
    await ring.run(setsockopt({ fd, level: SOL_SOCKET, name: SO_RCVBUF, value: Int32Array.of(50_000) }));
    expect(await option(SO_RCVBUF)).toBe(100_000); // the kernel doubles it
    expect(await option(SO_ERROR)).toBe(0);
    expect(await ring.run(setsockopt({ fd, level: IPPROTO_TCP, name: TCP_NODELAY, value: 1 }))).toBe(0);
    expect(await failure(ring.run(setsockopt({ fd, level: SOL_SOCKET, name: 9999, value: 1 })))).toMatchObject({ code: "ENOPROTOOPT" });
    expect(await failure(ring.run(getsockopt({ fd, level: IPPROTO_TCP, name: TCP_NODELAY, value })))).toMatchObject({
      code: "EOPNOTSUPP",
      hint: expect.stringMatching(/SOL_SOCKET only/),
    });
    const slot = await ring.run(socketDirect({ domain: AF_INET, type: SOCK_STREAM, slot: "any" }));
    expect(await ring.run(getsockopt({ fd: slot, level: SOL_SOCKET, name: SO_TYPE, value }))).toBe(4);
    expect(value[0]).toBe(SOCK_STREAM);
  });

  commands("checks what it is given", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const wrong = (value: unknown): Promise<unknown> => failure(ring.run(setsockopt({ fd: 1, level: 1, name: 1, value: value as never })));
    expect(await wrong(2 ** 31)).toMatchObject({ name: "RangeError", message: expect.stringMatching(/value is 2147483648/) });
    expect(await wrong("yes")).toMatchObject({ name: "TypeError", message: expect.stringMatching(/value is 'yes'/) });
    const gone = new Uint8Array(8);
    gone.buffer.transfer();
    expect(await wrong(gone)).toMatchObject({ name: "TypeError", message: expect.stringMatching(/detached/) });
    expect(await failure(ring.run(getsockopt({ fd: 1, level: 1, name: 1, value: 1 as never })))).toMatchObject({ name: "TypeError" });
    expect(await failure(ring.run(setsockopt({ fd: 1, level: 1.5, name: 1, value: 1 })))).toMatchObject({
      message: expect.stringMatching(/level is 1.5/),
    });
  });

  const named = requires(kernelAtLeast("6.19"), "getsockname needs Linux 6.19");
  named("tells the addresses of a connection, also of a slot", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    using listener = await listening(ring);
    using client = await connected(ring, listener);
    const slot = await ring.run(acceptDirect({ fd: listener.fd, slot: "any" }));
    expect(await ring.run(getsockname({ fd: listener.fd }))).toEqual(listener.address);
    expect(await ring.run(getsockname({ fd: slot }))).toEqual(listener.address);
    expect(await ring.run(getsockname({ fd: slot, peer: true }))).toEqual(socketName(client.fd));
    expect(await failure(ring.run(getsockname({ fd: listener.fd, peer: true })))).toMatchObject({ code: "ENOTCONN" });
  });

  const unnamed = requires(kernelAtLeast("6.7") && !kernelAtLeast("6.19"), "getsockname is there since Linux 6.19");
  unnamed("that this kernel does not have says which one brings it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using listener = await listening(ring);
    expect(await failure(ring.run(getsockname({ fd: listener.fd })))).toMatchObject({
      code: "EOPNOTSUPP",
      hint: expect.stringMatching(/6\.19/),
    });
  });

  commands("is refused on what has none", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using pair = socketPair();
    expect(await failure(ring.run(siocinq({ fd: pair.first })))).toMatchObject({
      code: "EOPNOTSUPP",
      hint: expect.stringMatching(/unix sockets have none/),
    });
    using file = new Descriptor(sys.open("/proc/version", 0));
    expect(["EOPNOTSUPP", "ENOTSOCK"]).toContain(((await failure(ring.run(siocoutq({ fd: file.fd })))) as { code: string }).code);
  });
});

test("addresses of sockets are told by the sync calls as well", async () => {
  await using ring = await Ring.open({ entries: 8 });
  using server = new Descriptor(await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM })));
  expect(socketName(server.fd)).toEqual({ family: "ipv4", address: "0.0.0.0", port: 0 });
  await ring.run(bind({ fd: server.fd, address: LOOPBACK }));
  expect(socketName(server.fd)).toMatchObject({ family: "ipv4", address: "127.0.0.1" });
  expect(() => peerName(server.fd)).toThrow(/ENOTCONN/);
  expect(() => socketName(1_000_000)).toThrow(/EBADF/);
});
