import { toArrayBuffer } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import {
  accept,
  acceptDirect,
  acceptMultishot,
  acceptMultishotDirect,
  type BufferGroup,
  bind,
  connect,
  encodeSocketAddress,
  FixedBuffer,
  FixedFile,
  getsockname,
  getsockopt,
  listen,
  type Operation,
  recv,
  recvMultishot,
  recvmsg,
  recvmsgMultishot,
  recvZc,
  type SendGroup,
  send,
  sendBundle,
  sendmsg,
  sendmsgZc,
  sendZc,
  setsockopt,
  shutdown,
  siocinq,
  siocoutq,
  socket,
  socketDirect,
  txTimestamp,
} from "uring-ublk";
import { addressOf } from "uring-ublk/ffi";
import { abi, RawRing, type RingShape } from "uring-ublk/uring";
import { type Expected, encoded, expectSqe, somewhere } from "./support/sqe.ts";

const buffer = new Uint8Array(new ArrayBuffer(4096), 8, 100);
const at = addressOf(buffer);
const fixed = new FixedBuffer(3, 0x7f00_1234_5000, 8192, "memory");
const group = { id: 9, size: 4096, check: () => {} } as BufferGroup;
const outgoing = { id: 7, check: () => {} } as SendGroup;
const address = { family: "ipv4", address: "127.0.0.1", port: 80 } as const;
const inTable = new FixedFile(5);
const NOSIGNAL = 0x4000;
const CLOEXEC = 0o2000000;
const CMSG_CLOEXEC = 0x4000_0000;

const read = (from: number, length: number): Uint8Array<ArrayBuffer> => new Uint8Array(toArrayBuffer(from as never, 0, length).slice(0));

/** An address of the bytes of `address`. */
const sockaddr = (from: number): void => expect(read(from, 16)).toEqual(encodeSocketAddress(address));

/** An address of these words of 64 bits. */
const quads =
  (...wanted: (number | "somewhere")[]) =>
  (from: number): void => {
    const got = new BigUint64Array(read(from, wanted.length * 8).buffer);
    expect([...got].map((quad, i) => (wanted[i] === "somewhere" && quad > 4096n ? "somewhere" : Number(quad)))).toEqual(wanted);
  };

const vectors = quads(at, 100, at, 100);

const CASES: readonly [name: string, operation: Operation<unknown>, expected: Expected, shape?: RingShape][] = [
  ["socket", socket({ domain: 2, type: 1, protocol: 6 }), { opcode: 45, fd: 2, off: 1 | CLOEXEC, len: 6 }],
  [
    "socketDirect, never close-on-exec",
    socketDirect({ domain: 10, type: 2 | CLOEXEC, slot: inTable }),
    { opcode: 45, fd: 10, off: 2, file_index: 6 },
  ],
  ["socketDirect in any slot", socketDirect({ domain: 1, type: 1, slot: "any" }), { opcode: 45, fd: 1, off: 1, file_index: 0xffffffff }],
  ["bind", bind({ fd: 7, address }), { opcode: 56, fd: 7, addr: sockaddr, addr2: 16 }],
  ["listen", listen({ fd: 7, backlog: 10 }), { opcode: 57, fd: 7, len: 10 }],
  ["listen on a slot", listen({ fd: inTable }), { opcode: 57, fd: 5, flags: abi.IOSQE_FIXED_FILE, len: 4096 }],
  ["connect", connect({ fd: 7, address }), { opcode: 16, fd: 7, addr: sockaddr, addr2: 16 }],
  ["shutdown", shutdown({ fd: 7, how: 2 }), { opcode: 34, fd: 7, len: 2 }],
  ["accept", accept({ fd: 7 }), { opcode: 13, fd: 7, accept_flags: CLOEXEC }],
  [
    "accept with everything",
    accept({ fd: inTable, address: true, dontWait: true, pollFirst: true, nonblocking: true }),
    { opcode: 13, fd: 5, flags: 1, addr: somewhere, addr2: quads(128), accept_flags: CLOEXEC | 0o4000, ioprio: 2 | 4 },
  ],
  ["acceptDirect", acceptDirect({ fd: 7, slot: inTable }), { opcode: 13, fd: 7, file_index: 6 }],
  ["acceptDirect in any slot", acceptDirect({ fd: 7, slot: "any" }), { opcode: 13, fd: 7, file_index: 0xffffffff }],
  ["acceptMultishot", acceptMultishot({ fd: 7 }), { opcode: 13, fd: 7, accept_flags: CLOEXEC, ioprio: 1 }],
  [
    "acceptMultishotDirect",
    acceptMultishotDirect({ fd: 7, pollFirst: true }),
    { opcode: 13, fd: 7, ioprio: 1 | 4, file_index: 0xffffffff },
  ],
  ["send with flags", send({ fd: 7, buffer, flags: 0x8000 }), { opcode: 26, fd: 7, addr: at, len: 100, msg_flags: 0x8000 | NOSIGNAL }],
  [
    "send to an address, when the socket is ready",
    send({ fd: 7, buffer, address, pollFirst: true }),
    { opcode: 26, fd: 7, addr: at, len: 100, msg_flags: NOSIGNAL, addr2: sockaddr, addr_len: 16, ioprio: 1 },
  ],
  [
    "send of a fixed buffer",
    send({ fd: 7, buffer: fixed.slice(16, 32) }),
    { opcode: 26, fd: 7, addr: 0x7f00_1234_5010, len: 32, msg_flags: NOSIGNAL, buf_index: 3, ioprio: 4 },
  ],
  [
    "send of several buffers",
    send({ fd: 7, buffers: [buffer, buffer], address }),
    { opcode: 26, fd: 7, addr: vectors, len: 2, msg_flags: NOSIGNAL, ioprio: 32, addr2: sockaddr, addr_len: 16 },
  ],
  ["send from a group", send({ fd: 7, group: outgoing }), { opcode: 26, fd: 7, flags: 32, msg_flags: NOSIGNAL | 0x100, buf_group: 7 }],
  ["sendBundle", sendBundle({ fd: 7, group: outgoing }), { opcode: 26, fd: 7, flags: 32, msg_flags: NOSIGNAL, ioprio: 16, buf_group: 7 }],
  ["recv with pollFirst", recv({ fd: 7, buffer, pollFirst: true }), { opcode: 27, fd: 7, addr: at, len: 100, ioprio: 1 }],
  [
    "recv into a fixed buffer",
    recv({ fd: 7, buffer: fixed }),
    { opcode: 27, fd: 7, addr: 0x7f00_1234_5000, len: 8192, buf_index: 3, ioprio: 4 },
  ],
  ["recv into a group", recv({ fd: 7, group, length: 50 }), { opcode: 27, fd: 7, flags: 32, len: 50, buf_group: 9 }],
  ["recv of a bundle", recv({ fd: 7, group, bundle: true }), { opcode: 27, fd: 7, flags: 32, ioprio: 16, buf_group: 9 }],
  [
    "recvMultishot with limits",
    recvMultishot({ fd: 7, group, length: 50, total: 1000, bundle: true }),
    { opcode: 27, fd: 7, flags: 32, len: 50, optlen: 1000, ioprio: 2 | 16, buf_group: 9 },
  ],
  [
    "sendmsg",
    sendmsg({ fd: 7, buffers: [buffer, buffer], address, control: [{ level: 1, type: 1, data: Uint8Array.of(1, 0, 0, 0) }] }),
    { opcode: 9, fd: 7, addr: quads("somewhere", 16, "somewhere", 2, "somewhere", 24, 0), len: 1, msg_flags: NOSIGNAL },
  ],
  [
    "sendmsg with nothing but data",
    sendmsg({ fd: 7, buffers: [buffer] }),
    { opcode: 9, fd: 7, addr: quads(0, 0, "somewhere", 1, 0, 0, 0), len: 1, msg_flags: NOSIGNAL },
  ],
  [
    "recvmsg",
    recvmsg({ fd: 7, buffers: [buffer], control: 20, flags: 2 }),
    { opcode: 10, fd: 7, addr: quads("somewhere", 128, "somewhere", 1, "somewhere", 24, 0), len: 1, msg_flags: 2 | CMSG_CLOEXEC },
  ],
  [
    "recvmsgMultishot",
    recvmsgMultishot({ fd: 7, group, control: 64 }),
    { opcode: 10, fd: 7, flags: 32, addr: quads(0, 128, 0, 0, 0, 64, 0), len: 1, msg_flags: CMSG_CLOEXEC, ioprio: 2, buf_group: 9 },
  ],
  [
    "recvmsgMultishot without addresses",
    recvmsgMultishot({ fd: 7, group, address: false }),
    { opcode: 10, fd: 7, flags: 32, addr: quads(0, 0, 0, 0, 0, 0, 0), len: 1, msg_flags: CMSG_CLOEXEC, ioprio: 2, buf_group: 9 },
  ],
  [
    "sendZc of a fixed buffer, reporting",
    sendZc({ fd: 7, buffer: fixed, reportUsage: true, address }),
    {
      opcode: 47,
      fd: 7,
      addr: 0x7f00_1234_5000,
      len: 8192,
      msg_flags: NOSIGNAL,
      buf_index: 3,
      ioprio: 4 | 8,
      addr2: sockaddr,
      addr_len: 16,
    },
  ],
  [
    "sendZc of several buffers",
    sendZc({ fd: 7, buffers: [buffer, buffer] }),
    { opcode: 47, fd: 7, addr: vectors, len: 2, msg_flags: NOSIGNAL, ioprio: 32 },
  ],
  [
    "sendmsgZc",
    sendmsgZc({ fd: 7, buffers: [buffer], reportUsage: true, pollFirst: true }),
    { opcode: 48, fd: 7, addr: quads(0, 0, "somewhere", 1, 0, 0, 0), len: 1, msg_flags: NOSIGNAL, ioprio: 8 | 1 },
  ],
  [
    "sendmsgZc of parts of a fixed buffer",
    sendmsgZc({ fd: 7, buffers: [fixed.slice(0, 10), fixed.slice(20, 5)] }),
    { opcode: 48, fd: 7, addr: quads(0, 0, "somewhere", 2, 0, 0, 0), len: 1, msg_flags: NOSIGNAL, ioprio: 4, buf_index: 3 },
  ],
  ["siocinq", siocinq({ fd: 7 }), { opcode: 46, fd: 7, cmd_op: 0 }],
  ["siocoutq", siocoutq({ fd: inTable }), { opcode: 46, fd: 5, flags: 1, cmd_op: 1 }],
  [
    "getsockopt",
    getsockopt({ fd: 7, level: 1, name: 3, value: buffer }),
    { opcode: 46, fd: 7, cmd_op: 2, level: 1, optname: 3, optval: at, optlen: 100 },
  ],
  [
    "setsockopt",
    setsockopt({ fd: 7, level: 6, name: 1, value: 5 }),
    { opcode: 46, fd: 7, cmd_op: 3, level: 6, optname: 1, optval: quadOf5, optlen: 4 },
  ],
  ["getsockname", getsockname({ fd: 7 }), { opcode: 46, fd: 7, cmd_op: 5, addr: somewhere, addr3: quads(128) }],
  [
    "getsockname of the peer",
    getsockname({ fd: 7, peer: true }),
    { opcode: 46, fd: 7, cmd_op: 5, addr: somewhere, addr3: quads(128), optlen: 1 },
  ],
  ["txTimestamp", txTimestamp({ fd: 7 }), { opcode: 46, fd: 7, cmd_op: 4 }, { cqe: 32 }],
  ["recvZc", recvZc({ fd: 7, queue: 2, total: 4096 }), { opcode: 58, fd: 7, len: 4096, ioprio: 2, zcrx_ifq_idx: 2 }, { cqe: 32 }],
  ["recvZc with pollFirst", recvZc({ fd: 7, queue: 0, pollFirst: true }), { opcode: 58, fd: 7, ioprio: 2 | 1 }, { cqe: 32 }],
];

function quadOf5(from: number): void {
  expect(new Int32Array(read(from, 4).buffer)[0]).toBe(5);
}

describe("the SQE of an operation on sockets", () => {
  for (const [name, operation, expected, shape] of CASES) {
    test(`has the right bytes for ${name}, and zeros elsewhere`, () => {
      encoded(operation, shape ?? {}, (raw, slot) => expectSqe(raw, slot, expected));
    });
  }

  test("has nothing stale behind a socket's command on a ring with large SQEs", () => {
    for (const operation of [setsockopt({ fd: 7, level: 1, name: 2, value: 1 }), getsockname({ fd: 7 })]) {
      using raw = new RawRing({ entries: 1, sqe: 128 });
      raw.words.fill(0x55555555);
      operation.encode(
        raw,
        raw.allocate(() => {}),
      );
      const sqe = new Uint8Array(raw.words.buffer, raw.words.byteOffset, 128);
      expect(sqe.slice(56).every((byte) => byte === 0)).toBe(true);
    }
  });

  test("is the same from the raw writers and from the descriptions", () => {
    const same = (operation: Operation<unknown>, write: (raw: RawRing, slot: number) => void): void => {
      using described = new RawRing({ entries: 8 });
      using positional = new RawRing({ entries: 8 });
      const slots = [described.allocate(() => {}), positional.allocate(() => {})] as const;
      operation.encode(described, slots[0]);
      write(positional, slots[1]);
      expect(positional.words.slice(0, 16)).toEqual(described.words.slice(0, 16));
    };
    same(socket({ domain: 2, type: 1 }), (raw, slot) => raw.socket(slot, 2, 1 | CLOEXEC, 0));
    same(listen({ fd: 7, backlog: 3 }), (raw, slot) => raw.listen(slot, 7, 3));
    same(shutdown({ fd: 7, how: 1 }), (raw, slot) => raw.shutdown(slot, 7, 1));
    same(accept({ fd: 7 }), (raw, slot) => raw.accept(slot, 7, 0, 0, CLOEXEC));
    same(acceptMultishot({ fd: 7 }), (raw, slot) => raw.acceptMultishot(slot, 7, CLOEXEC));
    same(send({ fd: 7, buffer }), (raw, slot) => raw.send(slot, 7, at, 100, NOSIGNAL));
    same(sendZc({ fd: 7, buffer }), (raw, slot) => raw.sendZc(slot, 7, at, 100, NOSIGNAL));
    same(sendBundle({ fd: 7, group: outgoing }), (raw, slot) => raw.sendBundle(slot, 7, 7, 0, NOSIGNAL));
    same(recv({ fd: 7, buffer }), (raw, slot) => raw.recv(slot, 7, at, 100, 0));
    same(recvMultishot({ fd: 7, group, total: 5 }), (raw, slot) => raw.recvMultishot(slot, 7, 9, 0, 0, 5));
    same(siocinq({ fd: 7 }), (raw, slot) => raw.cmdSock(slot, 7, 0));
    same(getsockopt({ fd: 7, level: 1, name: 3, value: buffer }), (raw, slot) => raw.cmdSock(slot, 7, 2, 1, 3, at, 100));
  });
});
