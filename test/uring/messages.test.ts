import { describe, expect, test } from "bun:test";
import {
  AF_UNIX,
  bind,
  type ControlMessage,
  controlSpace,
  descriptorsMessage,
  descriptorsOf,
  IP_PKTINFO,
  IPPROTO_IP,
  MSG_CTRUNC,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  Ring,
  recvmsg,
  recvmsgMultishot,
  SO_PASSCRED,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
  SOL_SOCKET,
  send,
  sendmsg,
  setsockopt,
  socket,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { openOf, pattern, socketPair } from "./support/descriptors.ts";
import { bytesOf, Descriptor, failure, text, udp } from "./support/network.ts";

describe("a message", () => {
  test("gathers what it sends, and scatters what it receives", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    const data = pattern(1000);
    const sent = await ring.run(
      sendmsg({ fd: ends.first, buffers: [data.subarray(0, 1), data.subarray(1, 700), data.subarray(700)], flags: MSG_WAITALL }),
    );
    expect(sent).toBe(1000);
    const parts = [new Uint8Array(300), new Uint8Array(699), new Uint8Array(50)] as const;
    const message = await ring.run(recvmsg({ fd: ends.second, buffers: parts }));
    expect(message).toEqual({ bytes: 1000, address: undefined, control: [], flags: 0, truncated: false, controlTruncated: false });
    expect(Buffer.concat(parts).subarray(0, 1000)).toEqual(Buffer.from(data));
  });

  test("knows its sender", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using here = await udp(ring);
    using there = await udp(ring);
    await ring.run(sendmsg({ fd: here.fd, address: there.address, buffers: [bytesOf("hello")] }));
    const buffer = new Uint8Array(10);
    const message = await ring.run(recvmsg({ fd: there.fd, buffers: [buffer] }));
    expect(message.address).toEqual(here.address);
    expect(text(buffer.subarray(0, message.bytes))).toBe("hello");
  });

  test("that is cut off says so", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using here = await udp(ring);
    await ring.run(send({ fd: here.fd, address: here.address, buffer: pattern(100) }));
    const peeked = await ring.run(recvmsg({ fd: here.fd, buffers: [new Uint8Array(40)], flags: MSG_PEEK }));
    expect([peeked.bytes, peeked.truncated]).toEqual([40, true]);
    const whole = await ring.run(recvmsg({ fd: here.fd, buffers: [new Uint8Array(100)] }));
    expect([whole.bytes, whole.truncated, whole.flags & MSG_TRUNC]).toEqual([100, false, 0]);
  });

  test("carries descriptors to the other end", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    const shared = (): number => openOf("/memfd:message");
    const file = sys.memfdCreate("message");
    sys.write(file, bytesOf("shared"));
    await ring.run(sendmsg({ fd: ends.first, buffers: [bytesOf("x")], control: [descriptorsMessage([file, file])] }));
    const { control } = await ring.run(recvmsg({ fd: ends.second, buffers: [new Uint8Array(1)], control: controlSpace(8) }));
    const fds = descriptorsOf(control);
    expect(fds.length).toBe(2);
    for (const fd of fds) {
      const buffer = new Uint8Array(6);
      expect(sys.pread(fd, buffer, 0)).toBe(6);
      expect(text(buffer)).toBe("shared");
      expect(sys.fcntl(fd, 1)).toBe(1); // close-on-exec
      sys.close(fd);
    }
    expect(shared()).toBe(1);
    sys.close(file);
  });

  test("closes descriptors that arrive after an abort", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair(SOCK_DGRAM);
    const before = openOf();
    for (let round = 0; round < 30; round++) {
      const abort = new AbortController();
      const receiving = ring.settle(recvmsg({ fd: ends.second, buffers: [new Uint8Array(1)], control: controlSpace(4) }), {
        signal: abort.signal,
      });
      if (round % 3 !== 0) await Bun.sleep(0);
      await ring.run(sendmsg({ fd: ends.first, buffers: [bytesOf("x")], control: [descriptorsMessage([ends.first])] }));
      abort.abort(new Error("stop"));
      const settled = await receiving;
      if (settled.status === "fulfilled") for (const fd of descriptorsOf(settled.value.control)) sys.close(fd);
    }
    for (;;) {
      const rest = await ring.settle(recvmsg({ fd: ends.second, buffers: [new Uint8Array(1)], flags: 0x40 })); // without control: they are dropped
      if (rest.status !== "fulfilled") break;
    }
    expect(openOf()).toBe(before);
  });

  test("tells what the protocol has to say, several things at once", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using here = await udp(ring);
    await ring.run(setsockopt({ fd: here.fd, level: SOL_SOCKET, name: SO_TIMESTAMPNS, value: 1 }));
    await ring.run(setsockopt({ fd: here.fd, level: IPPROTO_IP, name: IP_PKTINFO, value: 1 }));
    await ring.run(send({ fd: here.fd, address: here.address, buffer: bytesOf("x") }));
    const { control } = await ring.run(recvmsg({ fd: here.fd, buffers: [new Uint8Array(1)], control: 256 }));
    const about = (level: number, type: number): ControlMessage | undefined => control.find((c) => c.level === level && c.type === type);
    expect(about(SOL_SOCKET, SO_TIMESTAMPNS)?.data.length).toBe(16);
    expect([...about(IPPROTO_IP, IP_PKTINFO)!.data.subarray(8, 12)]).toEqual([127, 0, 0, 1]);
  });

  test("says when there was no room for that", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using here = await udp(ring);
    await ring.run(setsockopt({ fd: here.fd, level: SOL_SOCKET, name: SO_TIMESTAMPNS, value: 1 }));
    await ring.run(send({ fd: here.fd, address: here.address, buffer: bytesOf("x") }));
    const message = await ring.run(recvmsg({ fd: here.fd, buffers: [new Uint8Array(1)], control: 8 }));
    expect(message.controlTruncated).toBe(true);
    expect(message.flags & MSG_CTRUNC).toBe(MSG_CTRUNC);
    expect(message.control).toEqual([]);
  });

  test("is checked before it is sent", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const wrong = (options: object): Promise<unknown> =>
      failure(ring.run(sendmsg({ fd: 1, buffers: [bytesOf("x")], ...options } as never)));
    expect(await wrong({ buffers: [] })).toMatchObject({ name: "RangeError", message: expect.stringMatching(/1 to 1024/) });
    expect(await wrong({ address: { family: "ipv4", address: "x", port: 1 } })).toMatchObject({ name: "RangeError" });
    expect(await wrong({ flags: -1 })).toMatchObject({ name: "RangeError", message: expect.stringMatching(/sendmsg: flags is -1/) });
    expect(await wrong({ pollFirst: 1 })).toMatchObject({ name: "TypeError", message: expect.stringMatching(/pollFirst is 1/) });
    expect(await wrong({ control: [{ level: 1, type: 1.5, data: bytesOf("x") }] })).toMatchObject({ name: "RangeError" });
    expect(await failure(ring.run(recvmsg({ fd: 1, buffers: [bytesOf("x")], control: 1e6 })))).toMatchObject({
      message: expect.stringMatching(/recvmsg: control is 1000000/),
    });
    expect(() => descriptorsMessage([])).toThrow(/1 to 253/);
    expect(() => descriptorsMessage([-1])).toThrow(/-1 is no file descriptor/);
    expect(() => sendmsg({ fd: 1, buffer: bytesOf("x") } as never)).toThrow(/did you mean 'buffers'/);
    expect(await failure(ring.run(sendmsg({ fd: 1_000_000, buffers: [bytesOf("x")] })))).toMatchObject({
      code: "EBADF",
      operation: "sendmsg",
    });
    expect(ring.raw.inFlight).toBe(0);
  });
});

describe("a multishot receive of messages", () => {
  test("yields every datagram with its sender, empty ones as well", async () => {
    await using ring = await Ring.open({ entries: 64 });
    using server = await udp(ring);
    using group = ring.bufferGroup({ buffers: 8, size: 1024 });
    const senders = await Promise.all(Array.from({ length: 5 }, () => udp(ring)));
    const seen: string[] = [];
    const done = (async () => {
      for await (const message of ring.run(recvmsgMultishot({ fd: server.fd, group }))) {
        const from = senders.findIndex(({ address }) => JSON.stringify(address) === JSON.stringify(message.address));
        seen.push(`${from}:${text(message.keep())}`);
        if (seen.length === 50) break;
      }
    })();
    const sent: string[] = [];
    for (let i = 0; i < 50; i++) {
      const content = i % 7 === 0 ? "" : `message ${i}`;
      sent.push(`${i % 5}:${content}`);
      await ring.run(send({ fd: senders[i % 5]!.fd, address: server.address, buffer: bytesOf(content) }));
      while (seen.length <= i) await Bun.sleep(0);
    }
    await done;
    expect(seen).toEqual(sent);
    expect(group.held).toBe(0);
    expect(ring.inFlight).toBe(0);
    for (const sender of senders) sender.close();
  });

  test("loses nothing when the group runs dry", async () => {
    await using ring = await Ring.open({ entries: 64 });
    using server = await udp(ring);
    using group = ring.bufferGroup({ buffers: 2, size: 512 });
    for (let i = 0; i < 20; i++) await ring.run(send({ fd: server.fd, address: server.address, buffer: bytesOf(`${i}`) }));
    const seen: string[] = [];
    for await (const { bytes } of ring.run(recvmsgMultishot({ fd: server.fd, group }))) if (seen.push(text(bytes)) === 20) break;
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`));
    expect(group.free).toBe(2);
  });

  test("cuts off what is larger than a buffer, and says so", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using server = await udp(ring);
    using group = ring.bufferGroup({ buffers: 2, size: 16 + 128 + 10 });
    await ring.run(send({ fd: server.fd, address: server.address, buffer: pattern(50) }));
    for await (const message of ring.run(recvmsgMultishot({ fd: server.fd, group }))) {
      expect([message.bytes.length, message.truncated]).toEqual([10, true]);
      expect(message.keep()).toEqual(pattern(50).slice(0, 10));
      break;
    }
  });

  test("has control messages between the sender and the data", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using server = await udp(ring);
    using group = ring.bufferGroup({ buffers: 2, size: 1024 });
    await ring.run(setsockopt({ fd: server.fd, level: IPPROTO_IP, name: IP_PKTINFO, value: 1 }));
    await ring.run(send({ fd: server.fd, address: server.address, buffer: bytesOf("with control") }));
    for (const address of [true, false]) {
      const operation = recvmsgMultishot({ fd: server.fd, group, control: controlSpace(12) - 3, address }); // rounded up to whole words
      if (!address) await ring.run(send({ fd: server.fd, address: server.address, buffer: bytesOf("with control") }));
      for await (const message of ring.run(operation)) {
        expect(message.control.map(({ level, type }) => [level, type])).toEqual([[IPPROTO_IP, IP_PKTINFO]]);
        expect(message.address).toEqual(address ? server.address : undefined);
        expect(text(message.bytes)).toBe("with control");
        break;
      }
    }
  });

  test("closes descriptors that nobody took", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using group = ring.bufferGroup({ buffers: 8, size: 512 });
    using ends = socketPair(SOCK_DGRAM);
    const before = openOf();
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 4; i++)
        await ring.run(sendmsg({ fd: ends.first, buffers: [bytesOf("x")], control: [descriptorsMessage([ends.first])] }));
      const abort = new AbortController();
      const operation = recvmsgMultishot({ fd: ends.second, group, control: controlSpace(4) });
      const iterator = ring.run(operation, { signal: abort.signal });
      const { value } = await iterator.next();
      const [fd] = descriptorsOf(value.control);
      sys.close(fd!);
      if (round % 2 === 0) abort.abort();
      await iterator.return?.();
      expect(openOf()).toBe(before);
      expect(group.free).toBe(8);
    }
  });

  test("ends with a stream", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const ends = socketPair();
    using second = new Descriptor(ends.second);
    using group = ring.bufferGroup({ buffers: 8, size: 512 });
    sys.write(ends.first, bytesOf("the last words"));
    sys.close(ends.first);
    const seen: string[] = [];
    for await (const { bytes } of ring.run(recvmsgMultishot({ fd: second.fd, group }))) seen.push(text(bytes));
    expect(seen).toEqual(["the last words"]);
    expect(group.free).toBe(8);
  });

  test("takes unnamed senders of the unix family for what they are", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using server = new Descriptor(await ring.run(socket({ domain: AF_UNIX, type: SOCK_DGRAM })));
    const address = { family: "unix", abstract: `uring-ublk-messages-${process.pid}` } as const;
    await ring.run(bind({ fd: server.fd, address }));
    await ring.run(setsockopt({ fd: server.fd, level: SOL_SOCKET, name: SO_PASSCRED, value: 0 })).catch(() => {}); // unix sockets have no commands
    using client = new Descriptor(await ring.run(socket({ domain: AF_UNIX, type: SOCK_DGRAM })));
    using group = ring.bufferGroup({ buffers: 8, size: 512 });
    await ring.run(send({ fd: client.fd, address, buffer: bytesOf("who am I") }));
    await ring.run(send({ fd: server.fd, address, buffer: bytesOf("myself") }));
    const senders: unknown[] = [];
    for await (const message of ring.run(recvmsgMultishot({ fd: server.fd, group }))) if (senders.push(message.address) === 2) break;
    expect(senders).toEqual([undefined, address]);
  });

  test("refuses buffers that cannot hold a message", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const first = (group: Parameters<typeof recvmsgMultishot>[0]["group"], options = {}): Promise<unknown> =>
      failure(ring.run(recvmsgMultishot({ fd: 1, group, ...options })).next());
    using small = ring.bufferGroup({ buffers: 2, size: 144 });
    expect(await first(small)).toMatchObject({ name: "RangeError", message: expect.stringMatching(/144 are no data/) });
    using incremental = ring.bufferGroup({ buffers: 2, size: 4096, incremental: true });
    expect(await first(incremental)).toMatchObject({ name: "RangeError", message: expect.stringMatching(/minLeft must be more than 144/) });
    using gone = ring.bufferGroup({ buffers: 2, size: 4096 });
    gone[Symbol.dispose]();
    expect(await first(gone)).toMatchObject({ name: "TypeError", message: expect.stringMatching(/disposed/) });
    using fine = ring.bufferGroup({ buffers: 2, size: 4096 });
    expect(await first(fine, { flags: MSG_WAITALL })).toMatchObject({ message: expect.stringMatching(/MSG_WAITALL/) });
    expect(await first({ id: "x" } as never)).toMatchObject({ message: expect.stringMatching(/group's id is 'x'/) });
  });
});
