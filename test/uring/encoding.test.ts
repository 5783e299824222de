import { describe, expect, test } from "bun:test";
import {
  cancel,
  cancelFd,
  close,
  closeDirect,
  FixedBuffer,
  FixedFile,
  fallocate,
  fsync,
  msgRing,
  msgRingFd,
  nop,
  nop128,
  type Operation,
  openat,
  openatDirect,
  poll,
  pollMultishot,
  pollRemove,
  pollUpdate,
  read,
  readFixed,
  readv,
  readvFixed,
  recv,
  recvMultishot,
  send,
  sendZc,
  timeout,
  timeoutMultishot,
  timeoutRemove,
  timeoutUpdate,
  uringCmd,
  uringCmd128,
  uringCmdMultishot,
  write,
  writeFixed,
  writev,
  writevFixed,
} from "uring-ublk";
import { addressOf } from "uring-ublk/ffi";
import { abi, type BufferGroup, RawRing } from "uring-ublk/uring";
import { kernelSupports } from "../../src/uring/features.ts";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { type Expected, encoded, expectSqe, field } from "./support/sqe.ts";

const data = new Uint8Array(new ArrayBuffer(4096), 8, 100);
const at = addressOf(data);
const fixed = new FixedBuffer(3, 0x7f00_1234_5000, 8192, "memory");
const group = { id: 9 } as BufferGroup;
const BIG = 2 ** 40 + 5; // an offset that needs both words

const target = { slot: 0x1234, generation: -2 };
const targetData = (0xffff_fffen << 32n) | 0x1234n; // as one field
const mail = { fd: 9, ...target };

const CASES: readonly [name: string, operation: Operation<unknown>, expected: Expected, since?: string][] = [
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
  ["nop with a file and task work", nop({ fd: 7, taskWork: true }), { opcode: 0, fd: 7, nop_flags: 2 | 16 }, "6.16"],
  ["nop with a slot", nop({ fd: new FixedFile(5) }), { opcode: 0, fd: 5, nop_flags: 2 | 4 }, "6.13"],
  ["nop with a fixed buffer", nop({ buffer: fixed }), { opcode: 0, fd: -1, nop_flags: 8, buf_index: 3 }, "6.13"],
  ["cancel by target", cancel({ target }), { opcode: 14, fd: -1, addr: targetData }],
  ["cancel of everything", cancel({ any: true }), { opcode: 14, fd: -1, cancel_flags: abi.IORING_ASYNC_CANCEL_ANY }],
  [
    "cancel of all of a kind on a slot",
    cancel({ fd: new FixedFile(5), opcode: 22, all: true }),
    { opcode: 14, fd: 5, len: 22, cancel_flags: 1 | 2 | 8 | 32 },
    "6.6",
  ],
  [
    "cancel by target and kind",
    cancel({ target, opcode: 22 }),
    { opcode: 14, fd: -1, addr: targetData, len: 22, cancel_flags: 16 | 32 },
    "6.6",
  ],
  ["pollMultishot", pollMultishot({ fd: 7, events: 0x8000_0001 }), { opcode: 6, fd: 7, len: 1, poll32_events: 0x8000_0001 }],
  ["pollRemove", pollRemove({ target }), { opcode: 7, fd: -1, addr: targetData }],
  ["pollUpdate", pollUpdate({ target, events: 4 }), { opcode: 7, fd: -1, addr: targetData, len: 2, poll32_events: 4 }],
  ["timeoutRemove", timeoutRemove({ target }), { opcode: 12, fd: -1, addr: targetData }],
  [
    "msgRing",
    msgRing({ to: mail, result: -3, flags: 0x1_0002 }),
    { opcode: 40, fd: 9, off: targetData, len: -3, msg_ring_flags: abi.IORING_MSG_RING_FLAGS_PASS, file_index: 0x1_0002 },
    "6.3",
  ],
  [
    "msgRing to a slot",
    msgRing({ to: { ...mail, fd: new FixedFile(2) } }),
    { opcode: 40, flags: abi.IOSQE_FIXED_FILE, fd: 2, off: targetData },
  ],
  [
    "msgRingFd",
    msgRingFd({ to: mail, source: new FixedFile(4), slot: new FixedFile(6), silent: true }),
    { opcode: 40, fd: 9, off: targetData, addr: 1, addr3: 4, file_index: 7, msg_ring_flags: abi.IORING_MSG_RING_CQE_SKIP },
  ],
  [
    "msgRingFd to any slot",
    msgRingFd({ to: mail, source: new FixedFile(4), slot: "any" }),
    { opcode: 40, fd: 9, off: targetData, addr: 1, addr3: 4, file_index: abi.IORING_FILE_INDEX_ALLOC },
  ],
  [
    "uringCmd with a fixed buffer",
    uringCmd({ fd: 7, cmdOp: 5, buffer: fixed }),
    { opcode: 46, fd: 7, cmd_op: 5, uring_cmd_flags: 1, buf_index: 3 },
  ],
  [
    "uringCmdMultishot",
    uringCmdMultishot({ fd: 7, cmdOp: 5, group, address: at, payload: Uint8Array.of(8) }),
    { opcode: 46, flags: abi.IOSQE_BUFFER_SELECT, fd: 7, cmd_op: 5, addr: at, uring_cmd_flags: 2, buf_group: 9, addr3: 8 },
    "6.18",
  ],
  [
    "a drained, asynchronous operation with a personality",
    fsync({ fd: new FixedFile(5) })
      .drain()
      .async()
      .personality(513),
    { opcode: 3, flags: abi.IOSQE_FIXED_FILE | abi.IOSQE_IO_DRAIN | abi.IOSQE_ASYNC, fd: 5, personality: 513 },
  ],
];

describe("an operation's SQE", () => {
  for (const [name, operation, expected, since = "5.1"] of CASES) {
    requires(kernelAtLeast(since), `needs Linux ${since}`)(`has the right bytes for ${name}, and zeros elsewhere`, () => {
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

  test("carries the time in a timer's operations, nanoseconds included", () => {
    for (const [operation, where, fields] of [
      [
        timeout({ ms: 1500.25, completions: 3, absolute: true, clock: "realtime", etimeSuccess: true }),
        "addr",
        { opcode: 11, off: 3, len: 1, timeout_flags: 1 | 8 | 32 },
      ],
      [timeout({ ms: 1500.25, clock: "boottime" }), "addr", { opcode: 11, len: 1, timeout_flags: 4 }],
      [timeoutMultishot({ ms: 1500.25, count: 7 }), "addr", { opcode: 11, off: 7, len: 1, timeout_flags: 64 }],
      [timeoutUpdate({ target, ms: 1500.25, absolute: true }), "off", { opcode: 12, addr: targetData, timeout_flags: 1 | 2 }],
      [timeoutUpdate({ target, ms: 1500.25, link: true }), "off", { opcode: 12, addr: targetData, timeout_flags: 2 | 16 }],
    ] as [Operation<unknown>, "addr" | "off", Expected & { timeout_flags: number }][]) {
      encoded(operation, {}, (raw, slot) => {
        const { words } = raw;
        const time = field(new DataView(words.buffer, words.byteOffset, 64), where);
        const immediate = kernelSupports("IORING_TIMEOUT_IMMEDIATE_ARG");
        const timeout_flags = fields.timeout_flags | (immediate ? abi.IORING_TIMEOUT_IMMEDIATE_ARG : 0);
        expectSqe(raw, slot, { ...fields, fd: -1, [where]: time, timeout_flags });
        if (immediate) expect(time).toBe(1_500_250_000n);
      });
    }
  });

  test("points to the time where it is too long for the SQE", () => {
    using raw = new RawRing({ entries: 8 });
    const slot = raw.allocate(() => {});
    const { pins } = timeout({ ms: 2 ** 45 + 0.5 }).encode(raw, slot);
    const timespec = pins[0] as DataView;
    expect(timespec.getBigUint64(0, true) * 1000n + timespec.getBigUint64(8, true) / 1_000_000n).toBe(2n ** 45n);
    expect(field(new DataView(raw.words.buffer, raw.words.byteOffset, 64), "addr")).toBe(BigInt(addressOf(timespec)));
  });

  test("bounds the one before it in a link timeout", () => {
    using raw = new RawRing({ entries: 8 });
    raw.words.fill(0x55555555);
    const slot = raw.allocate(() => {});
    raw.linkTimeout(slot, BIG, abi.IORING_TIMEOUT_ABS);
    expectSqe(raw, slot, { opcode: 15, fd: -1, addr: BIG, len: 1, timeout_flags: 1 });
  });

  requires(kernelAtLeast("6.18"), "needs Linux 6.18")("carries two more values in a NOP for long CQEs", () => {
    encoded(nop({ extra: [BIG, BIG + 1], result: 4 }), { cqe: 32 }, (raw, slot) =>
      expectSqe(raw, slot, { opcode: 0, fd: -1, off: BIG, addr: BIG + 1, len: 4, nop_flags: 1 | 32 }),
    );
  });

  test("has the fields of a NOP in one of 128 bytes, and zeros behind", () => {
    encoded(nop128({ ...(kernelAtLeast("6.13") ? { result: 4, fd: 7, buffer: fixed } : {}) }), { sqe: 128 }, (raw, slot) => {
      if (kernelAtLeast("6.13")) expectSqe(raw, slot, { opcode: 0, fd: 7, len: 4, nop_flags: 1 | 2 | 8, buf_index: 3 });
      expect(new Uint8Array(raw.words.buffer, raw.words.byteOffset + 64, 64).every((byte) => byte === 0)).toBe(true);
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
