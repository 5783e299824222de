import { describe, expect, test } from "bun:test";
import {
  type BufferGroup,
  epollCtl,
  epollWait,
  FixedBuffer,
  FixedFile,
  fadvise,
  fgetxattr,
  filesUpdate,
  fixedFdInstall,
  fsetxattr,
  ftruncate,
  futexWait,
  futexWaitv,
  futexWake,
  getxattr,
  ioPriority,
  linkat,
  madvise,
  mkdirat,
  O_CREAT,
  O_RDWR,
  O_TMPFILE,
  type Operation,
  openat2,
  openat2Direct,
  pipe,
  pipeDirect,
  provideBuffers,
  read,
  readFixed,
  readMultishot,
  readProvided,
  readv,
  removeBuffers,
  renameat,
  setxattr,
  splice,
  statx,
  symlinkat,
  syncFileRange,
  tee,
  unlinkat,
  waitid,
  write,
  writeFixed,
  writev,
} from "uring-ublk";
import { Arena, addressOf } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { type Expected, encoded, expectSqe, somewhere, text, words } from "./support/sqe.ts";

const data = new Uint8Array(new ArrayBuffer(4096), 8, 100);
const at = addressOf(data);
const fixed = new FixedBuffer(3, 0x7f00_1234_5000, 8192, "memory");
const group = { id: 9 } as BufferGroup;
const slot = new FixedFile(5);
const arena = Arena.allocate(16384);
const shared = new Int32Array(new SharedArrayBuffer(64));
const futex = addressOf(shared);
const BIG = 2 ** 40 + 5; // needs both words
const low = (value: number): number => value | 0;
const high = (value: number): number => Math.floor(value / 2 ** 32) | 0;
const CLOEXEC = 0o2000000;

type Case = readonly [name: string, operation: Operation<unknown>, expected: Expected];

const TRANSFERS: readonly Case[] = [
  [
    "a read with a priority",
    read({ fd: 7, buffer: data, offset: 0, ioprio: ioPriority("best-effort", 5) }),
    { opcode: 22, fd: 7, addr: at, len: 100, ioprio: (2 << 13) | 5 },
  ],
  [
    "a write in a stream",
    write({ fd: slot, buffer: data, offset: BIG, writeStream: 255, flags: 2 }),
    { opcode: 23, flags: abi.IOSQE_FIXED_FILE, fd: 5, addr: at, len: 100, off: BIG, rw_flags: 2, write_stream: 255 },
  ],
  [
    "a fixed write in a stream",
    writeFixed({ fd: 7, buffer: fixed, offset: 0, writeStream: 3, ioprio: ioPriority("idle") }),
    { opcode: 5, fd: 7, addr: 0x7f00_1234_5000, len: 8192, buf_index: 3, write_stream: 3, ioprio: 3 << 13 },
  ],
  [
    "a vectored write in a stream",
    writev({ fd: 7, buffers: [data], offset: 0, writeStream: 1 }),
    { opcode: 2, fd: 7, addr: words([low(at), high(at), 100, 0]), len: 1, write_stream: 1 },
  ],
  ["a vectored read", readv({ fd: 7, buffers: [data] }), { opcode: 1, fd: 7, addr: words([low(at), high(at), 100, 0]), len: 1, off: -1 }],
  [
    "a read with protection information",
    read({ fd: 7, buffer: data, offset: 0, protection: { buffer: data, appTag: 0x1234, seed: BIG, check: ["guard", "application"] } }),
    {
      opcode: 22,
      fd: 7,
      addr: at,
      len: 100,
      attr_ptr: words([5 | (0x1234 << 16), 100, low(at), high(at), low(BIG), high(BIG), 0, 0]),
      attr_type_mask: 1,
    },
  ],
  [
    "a fixed read with protection information",
    readFixed({ fd: 7, buffer: fixed, offset: 0, protection: { buffer: data, check: ["reference"] } }),
    {
      opcode: 4,
      fd: 7,
      addr: 0x7f00_1234_5000,
      len: 8192,
      buf_index: 3,
      attr_ptr: words([2, 100, low(at), high(at), 0, 0, 0, 0]),
      attr_type_mask: 1,
    },
  ],
  [
    "readProvided",
    readProvided({ fd: slot, group, offset: BIG, length: 77, flags: 8 }),
    { opcode: 22, flags: abi.IOSQE_BUFFER_SELECT | abi.IOSQE_FIXED_FILE, fd: 5, off: BIG, len: 77, rw_flags: 8, buf_group: 9 },
  ],
  ["readProvided of all there is", readProvided({ fd: 7, group }), { opcode: 22, flags: 32, fd: 7, off: -1, buf_group: 9 }],
  ["readMultishot", readMultishot({ fd: 7, group, flags: 8 }), { opcode: 49, flags: 32, fd: 7, off: -1, rw_flags: 8, buf_group: 9 }],
  [
    "provideBuffers",
    provideBuffers({ group: 500, memory: arena, size: 1000, first: 7 }),
    { opcode: 31, fd: 16, off: 7, addr: arena.address, len: 1000, buf_group: 500 },
  ],
  ["removeBuffers", removeBuffers({ group: 500, buffers: 12 }), { opcode: 32, fd: 12, buf_group: 500 }],
];

const RANGES: readonly Case[] = [
  ["syncFileRange", syncFileRange({ fd: 7 }), { opcode: 8, fd: 7, sync_range_flags: 7 }],
  [
    "syncFileRange of a part",
    syncFileRange({ fd: slot, offset: BIG, length: 4096, flags: 2 }),
    { opcode: 8, flags: 1, fd: 5, off: BIG, len: 4096, sync_range_flags: 2 },
  ],
  ["fadvise", fadvise({ fd: 7, offset: BIG, length: 4096, advice: 3 }), { opcode: 24, fd: 7, off: BIG, len: 4096, fadvise_advice: 3 }],
  ["fadvise of more than 4 GiB", fadvise({ fd: 7, length: BIG, advice: 4 }), { opcode: 24, fd: 7, addr: BIG, fadvise_advice: 4 }],
  ["madvise", madvise({ memory: arena.bytes(), advice: 4 }), { opcode: 25, fd: -1, addr: arena.address, len: 16384, fadvise_advice: 4 }],
  ["ftruncate", ftruncate({ fd: slot, length: BIG }), { opcode: 55, flags: 1, fd: 5, off: BIG }],
  [
    "splice",
    splice({ fdIn: 8, offsetIn: BIG, fdOut: 7, length: 4096, flags: 1 }),
    { opcode: 30, fd: 7, off: -1, splice_off_in: BIG, len: 4096, splice_flags: 1, splice_fd_in: 8 },
  ],
  [
    "splice between slots",
    splice({ fdIn: slot, fdOut: new FixedFile(6), offsetOut: 9, length: 1 }),
    { opcode: 30, flags: 1, fd: 6, off: 9, splice_off_in: -1, len: 1, splice_flags: 0x8000_0000, splice_fd_in: 5 },
  ],
  ["tee", tee({ fdIn: slot, fdOut: 7, length: 10 }), { opcode: 33, fd: 7, len: 10, splice_flags: 0x8000_0000, splice_fd_in: 5 }],
];

const PATHS: readonly Case[] = [
  [
    "statx",
    statx({ path: "/tmp/ü", dirfd: 4, flags: 0x100, mask: 0x200 }),
    { opcode: 21, fd: 4, addr: text("/tmp/ü"), off: somewhere, len: 0x200, statx_flags: 0x100 },
  ],
  ["statx of an open file", statx({ dirfd: 4 }), { opcode: 21, fd: 4, addr: text(""), off: somewhere, len: 0xfff, statx_flags: 0x1000 }],
  [
    "openat2",
    openat2({ path: "x", flags: O_RDWR, resolve: 8 }),
    { opcode: 28, fd: -100, addr: text("x"), off: words([O_RDWR | CLOEXEC, 0, 0, 0, 8, 0]), len: 24 },
  ],
  [
    "openat2 that creates",
    openat2({ path: "x", flags: O_CREAT, dirfd: 4 }),
    { opcode: 28, fd: 4, addr: text("x"), off: words([O_CREAT | CLOEXEC, 0, 0o666, 0, 0, 0]), len: 24 },
  ],
  [
    "openat2Direct, which knows no close-on-exec",
    openat2Direct({ path: "x", flags: O_TMPFILE | O_RDWR | CLOEXEC, mode: 0o600, slot }),
    { opcode: 28, fd: -100, addr: text("x"), off: words([O_TMPFILE | O_RDWR, 0, 0o600, 0, 0, 0]), len: 24, file_index: 6 },
  ],
  [
    "openat2Direct into any slot",
    openat2Direct({ path: "x", slot: "any" }),
    { opcode: 28, fd: -100, addr: text("x"), off: words([0, 0, 0, 0, 0, 0]), len: 24, file_index: 0xffff_ffff },
  ],
  [
    "renameat",
    renameat({ oldPath: "a", newPath: "b", oldDirfd: 4, newDirfd: 6, flags: 1 }),
    { opcode: 35, fd: 4, addr: text("a"), off: text("b"), len: 6, rename_flags: 1 },
  ],
  [
    "renameat from here to here",
    renameat({ oldPath: "a", newPath: "b" }),
    { opcode: 35, fd: -100, addr: text("a"), off: text("b"), len: -100 },
  ],
  [
    "linkat",
    linkat({ oldPath: "a", newPath: "b", flags: 0x400 }),
    { opcode: 39, fd: -100, addr: text("a"), off: text("b"), len: -100, hardlink_flags: 0x400 },
  ],
  ["unlinkat", unlinkat({ path: "a", dirfd: 4, flags: 0x200 }), { opcode: 36, fd: 4, addr: text("a"), unlink_flags: 0x200 }],
  ["mkdirat", mkdirat({ path: "a", mode: 0o700 }), { opcode: 37, fd: -100, addr: text("a"), len: 0o700 }],
  ["symlinkat", symlinkat({ target: "t", path: "a", dirfd: 4 }), { opcode: 38, fd: 4, addr: text("t"), off: text("a") }],
  [
    "getxattr",
    getxattr({ path: "p", name: "user.n", buffer: data }),
    { opcode: 44, addr: text("user.n"), off: at, len: 100, addr3: text("p") },
  ],
  [
    "fgetxattr",
    fgetxattr({ fd: slot, name: "user.n", buffer: data }),
    { opcode: 43, flags: 1, fd: 5, addr: text("user.n"), off: at, len: 100 },
  ],
  [
    "setxattr",
    setxattr({ path: "p", name: "user.n", value: data, flags: 1 }),
    { opcode: 42, addr: text("user.n"), off: at, len: 100, addr3: text("p"), xattr_flags: 1 },
  ],
  [
    "fsetxattr",
    fsetxattr({ fd: 7, name: "user.n", value: data, flags: 2 }),
    { opcode: 41, fd: 7, addr: text("user.n"), off: at, len: 100, xattr_flags: 2 },
  ],
];

const OTHERS: readonly Case[] = [
  ["pipe", pipe({ flags: 0o4000 }), { opcode: 62, addr: somewhere, pipe_flags: 0o4000 | CLOEXEC }],
  ["pipeDirect", pipeDirect({ slot }), { opcode: 62, addr: somewhere, file_index: 6 }],
  ["pipeDirect into any slots", pipeDirect({ slot: "any", flags: CLOEXEC }), { opcode: 62, addr: somewhere, file_index: 0xffff_ffff }],
  ["fixedFdInstall", fixedFdInstall({ slot }), { opcode: 54, flags: 1, fd: 5 }],
  ["fixedFdInstall for children too", fixedFdInstall({ slot, cloexec: false }), { opcode: 54, flags: 1, fd: 5, install_fd_flags: 1 }],
  ["filesUpdate", filesUpdate({ slot, fds: [7, -1, -2] }), { opcode: 20, fd: -1, off: 5, addr: words([7, -1, -2]), len: 3 }],
  ["filesUpdate of any slots", filesUpdate({ slot: "any", fds: [7] }), { opcode: 20, fd: -1, off: 0xffff_ffff, addr: words([7]), len: 1 }],
  [
    "epollCtl",
    epollCtl({ epfd: 7, fd: 8, change: "modify", events: 0x8000_0001, data: BIG }),
    { opcode: 29, fd: 7, off: 8, addr: words([0x8000_0001, low(BIG), high(BIG)]), len: 3 },
  ],
  ["epollCtl that deletes", epollCtl({ epfd: 7, fd: 8, change: "delete" }), { opcode: 29, fd: 7, off: 8, addr: somewhere, len: 2 }],
  ["epollWait", epollWait({ epfd: slot, maxEvents: 10 }), { opcode: 59, flags: 1, fd: 5, addr: somewhere, len: 10 }],
  ["waitid", waitid({ type: "pid", id: 77, options: 4 }), { opcode: 50, fd: 77, off: somewhere, len: 1, file_index: 4 }],
  ["waitid for any child", waitid({ type: "all", options: 5 }), { opcode: 50, off: somewhere, file_index: 5 }],
  [
    "futexWait",
    futexWait({ words: shared, index: 2, value: -1 }),
    { opcode: 51, fd: 2 | 0x80, off: 0xffff_ffff, addr: futex + 8, addr3: 0xffff_ffff },
  ],
  [
    "futexWake",
    futexWake({ words: shared, count: 3, mask: 0x8000_0000, shared: true }),
    { opcode: 52, fd: 2, off: 3, addr: futex, addr3: 0x8000_0000 },
  ],
  [
    "futexWaitv",
    futexWaitv({
      futexes: [
        { words: shared, value: 1 },
        { words: shared, index: 3, value: 0xffff_fffe, shared: true },
      ],
    }),
    {
      opcode: 53,
      addr: words([1, 0, low(futex), high(futex), 0x82, 0, 0xffff_fffe, 0, low(futex + 12), high(futex), 2, 0]),
      len: 2,
    },
  ],
];

for (const [family, cases] of Object.entries({ transfer: TRANSFERS, range: RANGES, path: PATHS, "process or table": OTHERS })) {
  describe(`the SQE of an operation on a ${family}`, () => {
    for (const [name, operation, expected] of cases) {
      const t = requires(!name.includes("protection") || kernelAtLeast("6.14"), "protection information needs Linux 6.14");
      t(`has the right bytes for ${name}, and zeros elsewhere`, () => {
        encoded(operation, {}, (raw, inFlight) => expectSqe(raw, inFlight, expected));
        encoded(operation, { sqArray: true }, (raw, inFlight) => expectSqe(raw, inFlight, expected));
      });
    }
  });
}

describe("the raw layer", () => {
  test("gives a read or write attributes and a stream after it was written", () => {
    using raw = new RawRing({ entries: 8 });
    raw.words.fill(0x55555555);
    const inFlight = raw.allocate(() => {});
    raw.write(inFlight, 7, at, 100, 0, 0);
    raw.setWriteStream(200);
    raw.setAttributes(BIG, abi.IORING_RW_ATTR_FLAG_PI);
    expectSqe(raw, inFlight, { opcode: 23, fd: 7, addr: at, len: 100, write_stream: 200, attr_ptr: BIG, attr_type_mask: 1 });
  });

  test("writes what the described layer writes", () => {
    using described = new RawRing({ entries: 8 });
    using positional = new RawRing({ entries: 8 });
    const slots = [described.allocate(() => {}), positional.allocate(() => {})] as const;
    splice({ fdIn: 8, offsetIn: BIG, fdOut: 7, length: 4096, flags: 1 }).encode(described, slots[0]);
    positional.splice(slots[1], 8, BIG, 7, -1, 4096, 1);
    expect(positional.words.slice(0, 16)).toEqual(described.words.slice(0, 16));
  });
});

describe("what cannot be right is refused before anything is queued:", () => {
  const REFUSED: readonly [what: string, operation: () => Operation<unknown>, message: RegExp][] = [
    ["a priority of 17 bits", () => read({ fd: 7, buffer: data, ioprio: 65536 }), /read: ioprio is 65536; it must be an integer from 0/],
    ["a stream of 9 bits", () => write({ fd: 7, buffer: data, writeStream: 256 }), /write: writeStream is 256/],
    [
      "an unknown check",
      () => read({ fd: 7, buffer: data, protection: { buffer: data, check: ["gard" as "guard"] } }),
      /did you mean 'guard'/,
    ],
    ["negative flags", () => read({ fd: 7, buffer: data, flags: -1 }), /read: flags is -1/],
    ["a fraction of a length", () => ftruncate({ fd: 7, length: 1.5 }), /ftruncate: length is 1.5/],
    ["a length beyond 2^53", () => ftruncate({ fd: 7, length: 2 ** 60 }), /ftruncate: length is/],
    ["a length of 33 bits where there are 32", () => syncFileRange({ fd: 7, length: 2 ** 32 }), /syncFileRange: length/],
    ["advice about half a page", () => madvise({ memory: arena.bytes(0, 2048), advice: 4 }), /whole pages/],
    ["advice about an unaligned page", () => madvise({ memory: arena.bytes(1, 4096), advice: 4 }), /whole pages/],
    ["NUL in a path", () => statx({ path: "a\0b" }), /NUL/],
    ["a path that is no text", () => statx({ path: 7 as unknown as string }), /statx: path is 7; it must be a string/],
    ["nothing to look at", () => statx({}), /statx: give it a path, or an open file/],
    ["a slot as a directory", () => statx({ path: "a", dirfd: slot as unknown as number }), /statx: dirfd is an object/],
    [
      "a slot that is a number",
      () => openat2Direct({ path: "a", slot: 3 as unknown as FixedFile }),
      /slot is 3; it must be a FixedFile or 'any'/,
    ],
    ["a negative offset", () => splice({ fdIn: 7, fdOut: 8, offsetIn: -1, length: 1 }), /splice: offsetIn is -1/],
    ["an input that is no descriptor", () => splice({ fdIn: -1, fdOut: 8, length: 1 }), /splice: fdIn is -1/],
    ["a table update of nothing", () => filesUpdate({ slot, fds: [] }), /fds has 0 entries/],
    ["an empty entry for any slot", () => filesUpdate({ slot: "any", fds: [7, -1] }), /fds\[1\] is -1/],
    ["a watch for nothing", () => epollCtl({ epfd: 7, fd: 8, change: "add" }), /events is missing/],
    ["an unknown change", () => epollCtl({ epfd: 7, fd: 8, change: "ad" as "add", events: 1 }), /did you mean 'add'/],
    ["no room for events", () => epollWait({ epfd: 7, maxEvents: 0 }), /maxEvents is 0/],
    ["a child without a number", () => waitid({ type: "pid", options: 4 }), /id is missing with type 'pid'/],
    ["a number for any child", () => waitid({ type: "all", id: 5, options: 4 }), /id does not go with type 'all'/],
    [
      "a word outside the view",
      () => futexWait({ words: shared, index: 16, value: 0 }),
      /futexWait: index is 16; it must be an integer from 0 to 15/,
    ],
    ["words of another size", () => futexWait({ words: new Uint8Array(8) as unknown as Int32Array, value: 0 }), /it must be an Int32Array/],
    ["a value of 33 bits", () => futexWait({ words: shared, value: 2 ** 32 }), /futexWait: value/],
    ["an empty mask", () => futexWake({ words: shared, mask: 0 }), /futexWake: mask is 0/],
    ["no futexes", () => futexWaitv({ futexes: [] }), /1 to 128/],
    ["129 futexes", () => futexWaitv({ futexes: Array.from({ length: 129 }, () => ({ words: shared, value: 0 })) }), /1 to 128/],
    ["more buffers than memory", () => provideBuffers({ group: 1, memory: arena, size: 4096, buffers: 5 }), /buffers is 5/],
    ["a group of 17 bits", () => removeBuffers({ group: 65536, buffers: 1 }), /group is 65536/],
  ];
  for (const [what, operation, message] of REFUSED) {
    test(what, () => {
      using raw = new RawRing({ entries: 8 });
      const inFlight = raw.allocate(() => {});
      expect(() => operation().encode(raw, inFlight)).toThrow(message);
      expect(raw.queued).toBe(0);
    });
  }

  test("priorities that do not exist", () => {
    expect(() => ioPriority("fast" as "idle")).toThrow(/class is 'fast'/);
    expect(() => ioPriority("idle", 8)).toThrow(/level is 8/);
  });
});
