import { describe, expect, test } from "bun:test";
import {
  cancelFd,
  close,
  closeDirect,
  FixedBuffer,
  FixedFile,
  fallocate,
  fsync,
  nop,
  type Operation,
  openat,
  openatDirect,
  poll,
  read,
  readFixed,
  readv,
  readvFixed,
  recv,
  recvMultishot,
  send,
  sendZc,
  timeout,
  uringCmd,
  uringCmd128,
  write,
  writeFixed,
  writev,
  writevFixed,
} from "uring-ublk";
import { addressOf } from "uring-ublk/ffi";
import { abi, type BufferGroup, RawRing } from "uring-ublk/uring";
import { type Expected, encoded, expectSqe, field } from "./support/sqe.ts";

const data = new Uint8Array(new ArrayBuffer(4096), 8, 100);
const at = addressOf(data);
const fixed = new FixedBuffer(3, 0x7f00_1234_5000, 8192, "memory");
const group = { id: 9 } as BufferGroup;
const BIG = 2 ** 40 + 5; // an offset that needs both words

const CASES: readonly [name: string, operation: Operation<unknown>, expected: Expected][] = [
  ["nop", nop(), { opcode: abi.IORING_OP_NOP, fd: -1 }],
  ["nop with a result", nop({ result: -5 }), { opcode: 0, fd: -1, len: -5, rw_flags: abi.IORING_NOP_INJECT_RESULT }],
  ["read", read({ fd: 7, buffer: data, offset: BIG }), { opcode: 22, fd: 7, addr: at, len: 100, off: BIG }],
  ["read at the file's own position", read({ fd: 7, buffer: data }), { opcode: 22, fd: 7, addr: at, len: 100, off: -1 }],
  [
    "read from a file-table slot with flags",
    read({ fd: new FixedFile(5), buffer: data, offset: 0, flags: 8 }),
    { opcode: 22, flags: abi.IOSQE_FIXED_FILE, fd: 5, addr: at, len: 100, rw_flags: 8 },
  ],
  ["write", write({ fd: 7, buffer: data, offset: BIG }), { opcode: 23, fd: 7, addr: at, len: 100, off: BIG }],
  [
    "readFixed",
    readFixed({ fd: 7, buffer: fixed, offset: 512 }),
    { opcode: 4, fd: 7, addr: 0x7f00_1234_5000, len: 8192, off: 512, buf_index: 3 },
  ],
  [
    "writeFixed of a part",
    writeFixed({ fd: 7, buffer: fixed.slice(16, 32), offset: 512 }),
    { opcode: 5, fd: 7, addr: 0x7f00_1234_5010, len: 32, off: 512, buf_index: 3 },
  ],
  ["fsync", fsync({ fd: 7 }), { opcode: 3, fd: 7 }],
  ["fsync of data only", fsync({ fd: 7, dataOnly: true }), { opcode: 3, fd: 7, fsync_flags: abi.IORING_FSYNC_DATASYNC }],
  ["fallocate", fallocate({ fd: 7, mode: 3, offset: BIG, length: 2 ** 41 }), { opcode: 17, fd: 7, off: BIG, addr: 2 ** 41, len: 3 }],
  ["close", close({ fd: 7 }), { opcode: 19, fd: 7 }],
  ["closeDirect", closeDirect({ slot: new FixedFile(6) }), { opcode: 19, file_index: 7 }],
  ["poll", poll({ fd: 7, events: 5 }), { opcode: 6, fd: 7, poll32_events: 5 }],
  ["cancelFd", cancelFd({ fd: 7 }), { opcode: 14, fd: 7, cancel_flags: abi.IORING_ASYNC_CANCEL_FD | abi.IORING_ASYNC_CANCEL_ALL }],
  ["send", send({ fd: 7, buffer: data }), { opcode: 26, fd: 7, addr: at, len: 100, msg_flags: 0x4000 }],
  ["recv", recv({ fd: 7, buffer: data, flags: 0x100 }), { opcode: 27, fd: 7, addr: at, len: 100, msg_flags: 0x100 }],
  ["sendZc", sendZc({ fd: 7, buffer: data }), { opcode: 47, fd: 7, addr: at, len: 100, msg_flags: 0x4000 }],
  [
    "recvMultishot",
    recvMultishot({ fd: 7, group }),
    { opcode: 27, fd: 7, flags: abi.IOSQE_BUFFER_SELECT, ioprio: abi.IORING_RECV_MULTISHOT, buf_group: 9 },
  ],
  [
    "uringCmd",
    uringCmd({ fd: 7, cmdOp: 0xc0107520, payload: Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 0, 9), address: at }),
    { opcode: 46, fd: 7, cmd_op: 0xc0107520, addr: at, addr3: 0x04030201, __pad2: 9 },
  ],
];

describe("an operation's SQE", () => {
  for (const [name, operation, expected] of CASES) {
    test(`has the right bytes for ${name}, and zeros elsewhere`, () => {
      encoded(operation, {}, (raw, slot) => expectSqe(raw, slot, expected));
      encoded(operation, { sqArray: true }, (raw, slot) => expectSqe(raw, slot, expected));
    });
  }

  test("names a path, its flags and its mode in openat", () => {
    encoded(openat({ path: "/tmp/x", flags: 1, mode: 0o600, dirfd: 4 }), {}, (raw, slot) => {
      const words = raw.words;
      const sqe = new DataView(words.buffer, words.byteOffset, 64);
      expectSqe(raw, slot, {
        opcode: 18,
        fd: 4,
        addr: field(sqe, "addr"),
        len: 0o600,
        open_flags: 1 | 0o2000000,
      });
    });
  });

  test("never asks for close-on-exec in a file-table slot, which has no such flag", () => {
    for (const [slotOption, index] of [
      [new FixedFile(2), 3],
      ["any", 0xffffffff],
    ] as const) {
      encoded(openatDirect({ path: "/tmp/x", flags: 0o2000001, slot: slotOption }), {}, (raw, slot) => {
        const words = raw.words;
        const sqe = new DataView(words.buffer, words.byteOffset, 64);
        expectSqe(raw, slot, {
          opcode: 18,
          fd: -100,
          addr: field(sqe, "addr"),
          len: 0o666,
          open_flags: 1,
          file_index: index,
        });
      });
    }
  });

  test("counts vectors, and points to them", () => {
    const parts = [fixed.slice(0, 10), fixed.slice(20, 5)];
    for (const [operation, opcode, index] of [
      [readv({ fd: 7, buffers: [data, data], offset: 1 }), 1, 0],
      [writev({ fd: 7, buffers: [data, data], offset: 1 }), 2, 0],
      [readvFixed({ fd: 7, buffers: parts, offset: 1 }), 60, 3],
      [writevFixed({ fd: 7, buffers: parts, offset: 1 }), 61, 3],
    ] as const) {
      encoded(operation, {}, (raw, slot) => {
        const words = raw.words;
        const sqe = new DataView(words.buffer, words.byteOffset, 64);
        expectSqe(raw, slot, { opcode, fd: 7, addr: field(sqe, "addr"), len: 2, off: 1, buf_index: index });
      });
    }
  });

  test("carries the time in a timeout, nanoseconds included", () => {
    encoded(timeout({ ms: 1500.25, completions: 3, absolute: true }), {}, (raw, slot) => {
      const words = raw.words;
      const sqe = new DataView(words.buffer, words.byteOffset, 64);
      expectSqe(raw, slot, {
        opcode: 11,
        fd: -1,
        off: 3,
        addr: field(sqe, "addr"),
        len: 1,
        timeout_flags: abi.IORING_TIMEOUT_ABS,
      });
    });
  });

  test("has 80 bytes of payload in a command of 128, and zeros behind it", () => {
    const payload = Uint8Array.from({ length: 40 }, (_, i) => i + 1);
    encoded(uringCmd128({ fd: 7, cmdOp: 0x20, payload }), { sqe: 128 }, (raw) => {
      const sqe = new Uint8Array(raw.words.buffer, raw.words.byteOffset, 128);
      expect(sqe[0]).toBe(abi.IORING_OP_URING_CMD);
      expect(sqe.slice(48, 88)).toEqual(payload);
      expect(sqe.slice(88).every((byte) => byte === 0)).toBe(true);
    });
  });

  test("has nothing stale in the second half when a short command follows a long one", () => {
    using raw = new RawRing({ entries: 1, sqe: 128 });
    raw.words.fill(0x55555555);
    uringCmd({ fd: 7, cmdOp: 0x20 }).encode(
      raw,
      raw.allocate(() => {}),
    );
    const sqe = new Uint8Array(raw.words.buffer, raw.words.byteOffset, 128);
    expect(sqe.slice(48).every((byte) => byte === 0)).toBe(true);
  });

  test("is the same from the raw writer and from the description", () => {
    using described = new RawRing({ entries: 8 });
    using positional = new RawRing({ entries: 8 });
    const slots = [described.allocate(() => {}), positional.allocate(() => {})] as const;
    read({ fd: 7, buffer: data, offset: BIG, flags: 8 }).encode(described, slots[0]);
    positional.read(slots[1], 7, at, 100, BIG, 8);
    expect(positional.words.slice(0, 16)).toEqual(described.words.slice(0, 16));
  });
});

describe("an operation", () => {
  test("is an immutable value that can be encoded any number of times", () => {
    const operation = read({ fd: 7, buffer: data, offset: 1 });
    expect(Object.isFrozen(operation.options)).toBe(true);
    expect(operation.name).toBe("read");
    expect(operation.opcode).toBe(abi.IORING_OP_READ);
    using raw = new RawRing({ entries: 8 });
    for (let i = 0; i < 3; i++)
      operation.encode(
        raw,
        raw.allocate(() => {}),
      );
    expect(raw.words.slice(16, 24)).toEqual(raw.words.slice(0, 8));
  });
});
