// usual kernels: this machine's, and the newest
/** Reads and writes past the page cache (O_DIRECT), to the byte, on rings that poll the disk for completions, and on others. */
import { afterAll, describe, expect } from "bun:test";
import { FixedFile, nop, type Operation, poll, Ring, read, readFixed, readv, timeout, write, writeFixed, writev } from "uring-ublk";
import { Arena, type RingSyscalls, ringSyscalls } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { requires } from "../support/requires.ts";
import { expectShape, type NamedShape, offered, openRaw, openRing, POLLED_SHAPES, SHAPES } from "./shapes.ts";
import { memoryFile, pattern } from "./support/descriptors.ts";
import { noPolledDisk, OpenDisk, removePolledDisk } from "./support/polled-disk.ts";

const missing = noPolledDisk();
afterAll(() => {
  if (missing === undefined) removePolledDisk();
});

const BLOCK = 4096;
const LENGTH = 16 * BLOCK;
const OFFSETS = Array.from({ length: LENGTH / BLOCK }, (_, i) => i * BLOCK);

/** Memory that O_DIRECT takes: whole pages. */
class Pages implements Disposable {
  readonly #arena = Arena.allocate(LENGTH);
  readonly address = this.#arena.address;
  readonly bytes = this.#arena.bytes();

  part(offset: number, length = BLOCK): Uint8Array {
    return this.bytes.subarray(offset, offset + length);
  }

  [Symbol.dispose](): void {
    this.#arena.dispose();
  }
}

const SOURCE = pattern(LENGTH + 4096);
let turn = 0;

/** Other data than the last time; cut from one pattern, which takes long to make where the machine is emulated. */
function fresh(): Uint8Array {
  turn = (turn + 13) % 4096;
  return SOURCE.subarray(turn, turn + LENGTH);
}

function expectSame(found: Uint8Array, wanted: Uint8Array): void {
  expect(Buffer.compare(found, wanted)).toBe(0);
}

/** Writes new data in blocks, all at once; answers what it was. */
async function fill(ring: Ring, fd: number): Promise<Uint8Array> {
  using out = new Pages();
  const data = fresh();
  out.bytes.set(data);
  const counts = await Promise.all(OFFSETS.map((offset) => ring.run(write({ fd, buffer: out.part(offset), offset }))));
  expect(counts).toEqual(OFFSETS.map(() => BLOCK));
  return data;
}

/** What is on the disk, through a ring of the plain kind. */
async function found(fd: number): Promise<Uint8Array> {
  await using ring = await Ring.open({ entries: 8 });
  using back = new Pages();
  expect(await ring.run(read({ fd, buffer: back.bytes, offset: 0 }))).toBe(LENGTH);
  return back.bytes.slice();
}

/** What any ring does with a disk. */
function transfers(named: NamedShape): void {
  const test = missing === undefined ? offered(named) : requires(false, missing);
  const open = () => openRing(named, { fixedBuffers: 2, fixedFiles: 1 });

  test("writes blocks and reads them back, past the page cache", async () => {
    await using ring = await open();
    expectShape(named, ring);
    using disk = new OpenDisk();
    using back = new Pages();
    const data = await fill(ring, disk.fd);
    expectSame(await found(disk.fd), data);
    await Promise.all(OFFSETS.map((offset) => ring.run(read({ fd: disk.fd, buffer: back.part(offset), offset }))));
    expectSame(back.bytes, data);
  });

  test("writes and reads all at once, and in parts of one operation", async () => {
    await using ring = await open();
    using disk = new OpenDisk();
    using out = new Pages();
    using back = new Pages();
    const parts = (pages: Pages) => [0, 3, 1, 2].map((i) => pages.part(i * (LENGTH / 4), LENGTH / 4));
    const data = fresh();
    out.bytes.set(data);
    expect(await ring.run(write({ fd: disk.fd, buffer: out.bytes, offset: LENGTH }))).toBe(LENGTH);
    expect(await ring.run(read({ fd: disk.fd, buffer: back.bytes, offset: LENGTH }))).toBe(LENGTH);
    expectSame(back.bytes, data);
    expect(await ring.run(writev({ fd: disk.fd, buffers: parts(out), offset: 0 }))).toBe(LENGTH);
    back.bytes.fill(0);
    expect(await ring.run(readv({ fd: disk.fd, buffers: parts(back), offset: 0 }))).toBe(LENGTH);
    expectSame(back.bytes, data);
    expect(Buffer.compare(await found(disk.fd), data)).not.toBe(0); // the parts were out of order
  });

  test("takes fixed buffers and fixed files", async () => {
    await using ring = await open();
    using disk = new OpenDisk();
    ring.raw.register.updateFiles(0, [disk.fd]);
    const fd = new FixedFile(0);
    const [out, back] = [ring.fixedBuffer(LENGTH), ring.fixedBuffer(LENGTH)];
    const data = fresh();
    out.bytes.set(data);
    await Promise.all(OFFSETS.map((offset) => ring.run(writeFixed({ fd, buffer: out.slice(offset, BLOCK), offset }))));
    await Promise.all(OFFSETS.map((offset) => ring.run(readFixed({ fd, buffer: back.slice(offset, BLOCK), offset }))));
    expectSame(back.bytes, data);
    expectSame(await found(disk.fd), data);
  });

  test("finds the right block each time, with many more reads than entries", async () => {
    await using ring = await open();
    using disk = new OpenDisk();
    using back = new Pages();
    const data = await fill(ring, disk.fd);
    for (let round = 0; round < 10; round++) {
      const at = OFFSETS.map((_, i) => ((i * 7 + round * 5) % OFFSETS.length) * BLOCK);
      back.bytes.fill(0);
      await Promise.all(at.map((offset, i) => ring.run(read({ fd: disk.fd, buffer: back.part(i * BLOCK), offset }))));
      const wrong = at.findIndex((offset, i) => Buffer.compare(back.part(i * BLOCK), data.subarray(offset, offset + BLOCK)) !== 0);
      expect(wrong).toBe(-1);
    }
  });

  test("reports what the disk refuses, and goes on", async () => {
    await using ring = await open();
    using disk = new OpenDisk();
    using pages = new Pages();
    const code = async (operation: Operation<number>) => ((await ring.settle(operation)) as { reason?: { code?: string } }).reason?.code;
    expect(await code(read({ fd: 1_000_000, buffer: pages.bytes, offset: 0 }))).toBe("EBADF");
    expect(await code(read({ fd: disk.fd, buffer: pages.part(1), offset: 0 }))).toBe("EINVAL"); // the address
    expect(await code(read({ fd: disk.fd, buffer: pages.bytes, offset: 100 }))).toBe("EINVAL"); // the offset
    expect(await ring.run(read({ fd: disk.fd, buffer: pages.bytes, offset: 2 ** 30 }))).toBe(0); // the disk's end
    expect(await ring.run(nop())).toBe(0);
  });

  test("settles everything that is in flight when it is closed", async () => {
    const ring = await open();
    using disk = new OpenDisk();
    using pages = new Pages();
    const reads = OFFSETS.map((offset) => ring.settle(read({ fd: disk.fd, buffer: pages.part(offset), offset })));
    await ring.close();
    for (const settled of await Promise.all(reads)) {
      if (settled.status === "fulfilled") expect(settled.value).toBe(BLOCK);
      else expect(settled.reason).toMatchObject({ code: "ECANCELED" });
    }
  });
}

/** What only a polled ring does. */
function polling(named: NamedShape): void {
  const test = missing === undefined ? offered(named) : requires(false, missing);
  const raw = named.shape.entries! < 3 ? requires(false, "three linked SQEs need an SQ for three") : test;

  raw("runs a linked chain, again and again", () => {
    using ring = openRaw(named);
    using disk = new OpenDisk();
    using pages = new Pages();
    const results: number[] = [];
    const slots = [0, 1, 2].map((i) =>
      ring.allocate((result) => {
        results[i] = result;
      }),
    ) as [number, number, number];
    for (let round = 1; round <= 20; round++) {
      pages.part(0).fill(round);
      pages.part(BLOCK).fill(0);
      ring.write(slots[0], disk.fd, pages.address, BLOCK, 0, 0);
      ring.setFlags(abi.IOSQE_IO_LINK);
      ring.read(slots[1], disk.fd, pages.address + BLOCK, BLOCK, 0, 0);
      ring.setFlags(abi.IOSQE_IO_LINK);
      ring.nop(slots[2]);
      while (ring.inFlight > 0) {
        ring.enter(1);
        ring.reap();
      }
      expect(results).toEqual([BLOCK, BLOCK, 0]);
      expect(pages.part(BLOCK).every((byte) => byte === round)).toBe(true);
    }
  });

  test("takes nothing that cannot be polled for, and goes on", async () => {
    await using ring = await openRing(named);
    using disk = new OpenDisk(0);
    using file = memoryFile(pattern(100));
    const code = async (operation: Operation<unknown>) =>
      ((await ring.settle(operation as Operation<number>)) as { reason?: { code?: string } }).reason?.code;
    const refused = [
      await code(read({ fd: disk.fd, buffer: new Uint8Array(512), offset: 0 })), // through the page cache
      await code(read({ fd: file.first, buffer: new Uint8Array(100), offset: 0 })),
      await code(timeout({ ms: 1 })),
      await code(poll({ fd: disk.fd, events: 1 })),
    ];
    expect(refused).toEqual(["EOPNOTSUPP", "EOPNOTSUPP", "EINVAL", "EINVAL"]);
    expect(await ring.run(nop())).toBe(0);
  });

  const looked = named.shape.sqpoll ? requires(false, "the kernel's own thread looks") : test;
  looked("completes nothing before it looks", async () => {
    const real = ringSyscalls();
    let looks = false;
    const enter: RingSyscalls["enter"] = (fd, submit, complete, flags, argument, size) =>
      real.enter(fd, submit, looks ? complete : 0, looks ? flags : flags & ~abi.IORING_ENTER_GETEVENTS, argument, size);
    using ring = new RawRing(named.shape, { syscalls: { ...real, enter } });
    if (named.shape.disabled) ring.register.enable();
    using disk = new OpenDisk();
    using pages = new Pages();
    let result = 0;
    ring.read(
      ring.allocate((bytes) => {
        result = bytes;
      }),
      disk.fd,
      pages.address,
      BLOCK,
      0,
      0,
    );
    ring.enter(0);
    await Bun.sleep(20); // longer than this disk ever takes
    expect(ring.ready).toBe(0);
    looks = true;
    while (ring.inFlight > 0) {
      ring.enter(1);
      ring.reap();
    }
    expect(result).toBe(BLOCK);
  });
}

const UNPOLLED = SHAPES.filter(({ name }) => ["default", "taskrun coop", "SQPOLL", "SQEs and CQEs of both sizes"].includes(name));

for (const named of UNPOLLED) describe(`a disk past the page cache, ${named.name}`, () => transfers(named));

for (const named of POLLED_SHAPES) {
  describe(`a polled disk, ${named.name}`, () => {
    transfers(named);
    polling(named);
  });
}
