import { describe, expect } from "bun:test";
import {
  AT_REMOVEDIR,
  epollCtl,
  FixedFile,
  fadvise,
  fgetxattr,
  filesUpdate,
  fixedFdInstall,
  fsetxattr,
  ftruncate,
  futexWait,
  getxattr,
  linkat,
  madvise,
  mkdirat,
  nop,
  type Operation,
  openat2,
  pipe,
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
} from "uring-ublk";
import { Arena, sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";

const ECANCELED = -125;
const buffer = new Uint8Array(8);
const arena = Arena.allocate(4096);
const words = new Int32Array(new SharedArrayBuffer(4));
const MISSING = "/no/such/file";

/** Runs the operation with a NOP linked behind it; answers both results. */
function linked(operation: Operation<unknown>): [first: number, nop: number] {
  using raw = new RawRing({ entries: 8 });
  raw.register.sparseFiles(2);
  const results = new Map<number, number>();
  const slots = [0, 1].map(() => raw.allocate((result, _flags, slot) => results.set(slot, result))) as [number, number];
  const lowering = operation.encode(raw, slots[0]);
  raw.setFlags(abi.IOSQE_IO_LINK);
  nop().encode(raw, slots[1]);
  while (raw.inFlight > 0) {
    raw.enter(1);
    raw.reap();
  }
  expect(lowering.detached).toBe(false); // and everything it pins was there until here
  return [results.get(slots[0])!, results.get(slots[1])!];
}

const memfd = sys.memfdCreate("links");
const [reader, writer] = sys.pipe();

/** Operations that fail, with the first kernel that has them. */
const SEVERING: readonly [Operation<unknown>, since?: string][] = [
  [openat2({ path: MISSING })],
  [fadvise({ fd: memfd, advice: 99 })],
  [epollCtl({ epfd: memfd, fd: reader, change: "add", events: 1 })],
  [splice({ fdIn: memfd, fdOut: memfd, length: 5 })],
  [splice({ fdIn: memfd, offsetIn: 0, fdOut: writer, length: 5 })], // 0 bytes of 5
  [tee({ fdIn: memfd, fdOut: memfd, length: 5 })],
  [filesUpdate({ slot: new FixedFile(0), fds: [9999] })],
  [removeBuffers({ group: 4000, buffers: 1 })],
  [futexWait({ words, value: 1 }), "6.7"],
  [waitid({ type: "pid", id: 1, options: 4 }), "6.7"],
  [fixedFdInstall({ slot: new FixedFile(1) }), "6.8"],
  [pipe({ flags: 1 }), "6.16"],
];

const LENIENT: readonly [Operation<unknown>, since?: string][] = [
  [statx({ path: MISSING })],
  [unlinkat({ path: MISSING })],
  [unlinkat({ path: "/etc/passwd", flags: AT_REMOVEDIR })],
  [renameat({ oldPath: MISSING, newPath: `${MISSING}2` })],
  [mkdirat({ path: "/etc/passwd" })],
  [symlinkat({ target: "x", path: "/etc/passwd" })],
  [linkat({ oldPath: MISSING, newPath: `${MISSING}2` })],
  [syncFileRange({ fd: reader })],
  [madvise({ memory: arena.bytes(), advice: 999 })],
  [getxattr({ path: MISSING, name: "user.a", buffer })],
  [setxattr({ path: MISSING, name: "user.a", value: buffer })],
  [fgetxattr({ fd: memfd, name: "user.a", buffer })],
  [fsetxattr({ fd: memfd, name: "nonsense", value: buffer })],
  [ftruncate({ fd: reader, length: 0 }), "6.9"],
];

describe("a soft link behind an operation that fails", () => {
  for (const [operation, since = "5.19"] of SEVERING) {
    const t = requires(kernelAtLeast(since), `needs Linux ${since}`);
    t(`is severed: ${operation.name} ${JSON.stringify(Object.keys(operation.options))}`, () => {
      const [first, second] = linked(operation);
      expect(first).toBeLessThanOrEqual(0);
      expect(second).toBe(ECANCELED);
    });
  }

  for (const [operation, since = "5.19"] of LENIENT) {
    const t = requires(kernelAtLeast(since), `needs Linux ${since}`);
    t(`is not severed: ${operation.name} ${JSON.stringify(Object.keys(operation.options))}`, () => {
      const [first, second] = linked(operation);
      expect(first).toBeLessThan(0);
      expect(second).toBe(0);
    });
  }
});
