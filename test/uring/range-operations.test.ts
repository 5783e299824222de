import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import {
  FixedFile,
  fadvise,
  fgetxattr,
  fsetxattr,
  ftruncate,
  getxattr,
  ioPriority,
  MADV_DONTNEED,
  MADV_POPULATE_WRITE,
  madvise,
  POSIX_FADV_DONTNEED,
  POSIX_FADV_SEQUENTIAL,
  POSIX_FADV_WILLNEED,
  Ring,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOWAIT,
  read,
  SPLICE_F_NONBLOCK,
  SYNC_FILE_RANGE_WAIT_AFTER,
  SYNC_FILE_RANGE_WRITE,
  setxattr,
  splice,
  statx,
  syncFileRange,
  tee,
  write,
  writev,
  XATTR_CREATE,
  XATTR_REPLACE,
} from "uring-ublk";
import { Arena, O_CREAT, O_RDONLY, O_RDWR, sys } from "uring-ublk/ffi";
import { abi, RawRing } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { memoryFile, pattern, pipe, TemporaryFolder } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("what goes with a read or write", () => {
  test("appends, waits for the disk, or does not wait at all", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(10));
    expect(await ring.run(write({ fd: file.first, buffer: pattern(5, 2), offset: 0, flags: RWF_APPEND | RWF_DSYNC }))).toBe(5);
    const back = new Uint8Array(20);
    expect(await ring.run(read({ fd: file.first, buffer: back, offset: 0 }))).toBe(15);
    expect(back.slice(0, 15)).toEqual(new Uint8Array([...pattern(10), ...pattern(5, 2)]));
    using ends = pipe();
    expect(await failure(ring.run(read({ fd: ends.first, buffer: back, flags: RWF_NOWAIT })))).toMatchObject({ code: "EAGAIN" });
    const odd = await failure(ring.run(read({ fd: file.first, buffer: back, offset: 0, flags: 0x4000_0000 })));
    expect(odd).toMatchObject({ operation: "read" });
    expect(RWF_HIPRI).toBe(1);
  });

  test("has a priority, and one that does not exist is refused", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(10));
    const buffer = new Uint8Array(10);
    for (const ioprio of [0, ioPriority("best-effort", 7), ioPriority("idle")]) {
      expect(await ring.run(read({ fd: file.first, buffer, offset: 0, ioprio }))).toBe(10);
      expect(await ring.run(writev({ fd: file.first, buffers: [buffer], offset: 0, ioprio }))).toBe(10);
    }
    expect(await failure(ring.run(read({ fd: file.first, buffer, offset: 0, ioprio: 7 << 13 })))).toMatchObject({ code: "EINVAL" });
  });

  const streams = requires(kernelAtLeast("6.16"), "write streams need Linux 6.16");
  streams("has a stream, which a file without streams does not mind", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile();
    expect(await ring.run(write({ fd: file.first, buffer: pattern(10), offset: 0, writeStream: 1 }))).toBe(10);
  });

  const attributes = requires(kernelAtLeast("6.14"), "attributes need Linux 6.14");
  attributes("has protection information, which a file without integrity refuses", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(4096));
    const protection = { buffer: new Uint8Array(64), check: ["guard"] as const };
    const settled = await failure(ring.run(read({ fd: file.first, buffer: new Uint8Array(4096), offset: 0, protection })));
    expect(settled).toMatchObject({ code: "EINVAL", operation: "read" });
  });

  attributes("has attributes that the kernel looks at: a bad address and an unknown kind have errors of their own", () => {
    using raw = new RawRing({ entries: 8 });
    using file = memoryFile(pattern(4096));
    using arena = Arena.allocate(4096);
    const results: number[] = [];
    const slot = raw.allocate((result) => results.push(result));
    for (const [address, mask] of [
      [8, abi.IORING_RW_ATTR_FLAG_PI],
      [arena.address, 0x8000],
      [0, 0],
    ] as const) {
      raw.read(slot, file.first, arena.address, 100, 0, 0);
      raw.setAttributes(address, mask);
      raw.enter(1);
      raw.reap();
    }
    expect(results).toEqual([-14, -22, 100]); // EFAULT, EINVAL
  });
});

describe("operations on a range of a file", () => {
  test("write dirty pages out, and wait for them", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    const fd = sys.open(folder.file("a"), O_RDWR | O_CREAT);
    await ring.run(write({ fd, buffer: pattern(10000), offset: 0 }));
    expect(await ring.run(syncFileRange({ fd }))).toBe(0);
    expect(
      await ring.run(syncFileRange({ fd, offset: 4096, length: 4096, flags: SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER })),
    ).toBe(0);
    expect(await failure(ring.run(syncFileRange({ fd, flags: 128 })))).toMatchObject({ code: "EINVAL", operation: "syncFileRange" });
    using ends = pipe();
    expect(await failure(ring.run(syncFileRange({ fd: ends.first })))).toMatchObject({ code: "ESPIPE" });
    sys.close(fd);
  });

  test("advise about pages, which changes nothing in them", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(10000));
    for (const advice of [POSIX_FADV_SEQUENTIAL, POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED])
      expect(await ring.run(fadvise({ fd: file.first, offset: 4096, length: 4096, advice }))).toBe(0);
    const back = new Uint8Array(10000);
    await ring.run(read({ fd: file.first, buffer: back, offset: 0 }));
    expect(back).toEqual(pattern(10000));
    expect(await failure(ring.run(fadvise({ fd: file.first, advice: 99 })))).toMatchObject({ code: "EINVAL", operation: "fadvise" });
    using ends = pipe();
    expect(await failure(ring.run(fadvise({ fd: ends.first, advice: 1 })))).toMatchObject({ code: "ESPIPE" });
  });

  const truncates = requires(kernelAtLeast("6.9"), "ftruncate needs Linux 6.9");
  truncates("cut a file and make it longer with zeros, beyond 4 GiB too", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    using file = memoryFile(pattern(100));
    expect(await ring.run(ftruncate({ fd: file.first, length: 50 }))).toBe(0);
    expect(await ring.run(ftruncate({ fd: file.first, length: 2 ** 33 }))).toBe(0);
    expect((await ring.run(statx({ dirfd: file.first }))).size).toBe(2 ** 33);
    const back = new Uint8Array(100);
    await ring.run(read({ fd: file.first, buffer: back, offset: 0 }));
    expect(back).toEqual(new Uint8Array([...pattern(100).slice(0, 50), ...new Uint8Array(50)]));
    const fd = sys.open("/etc/passwd", O_RDONLY);
    expect(await failure(ring.run(ftruncate({ fd, length: 0 })))).toMatchObject({ code: "EINVAL", operation: "ftruncate" });
    sys.close(fd);
  });
});

describe("madvise", () => {
  test("empties memory, and fetches it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using arena = Arena.allocate(16384);
    arena.bytes().fill(7);
    expect(await ring.run(madvise({ memory: arena.bytes(4096, 4096), advice: MADV_DONTNEED }))).toBe(0);
    expect([arena.bytes()[4095], arena.bytes()[4096], arena.bytes()[8191], arena.bytes()[8192]]).toEqual([7, 0, 0, 7]);
    if (kernelAtLeast("5.14")) expect(await ring.run(madvise({ memory: arena.bytes(), advice: MADV_POPULATE_WRITE }))).toBe(0);
    expect(await failure(ring.run(madvise({ memory: arena.bytes(), advice: 999 })))).toMatchObject({ code: "EINVAL" });
  });
});

describe("splice and tee", () => {
  test("move a file into a pipe and from there into another file", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using from = memoryFile(pattern(10000));
    using to = memoryFile();
    using ends = pipe();
    expect(await ring.run(splice({ fdIn: from.first, offsetIn: 100, fdOut: ends.second, length: 5000 }))).toBe(5000);
    expect(await ring.run(splice({ fdIn: ends.first, fdOut: to.first, offsetOut: 7, length: 5000 }))).toBe(5000);
    const back = new Uint8Array(5007);
    expect(await ring.run(read({ fd: to.first, buffer: back, offset: 0 }))).toBe(5007);
    expect(back.slice(7)).toEqual(pattern(10000).slice(100, 5100));
    expect(await ring.run(splice({ fdIn: from.first, offsetIn: 10000, fdOut: ends.second, length: 10 }))).toBe(0); // the end
  });

  test("work between slots of the file table", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 3 });
    using from = memoryFile(pattern(100));
    using ends = pipe();
    ring.raw.register.updateFiles(0, [from.first, ends.first, ends.second]);
    const [file, reader, writer] = [0, 1, 2].map((slot) => new FixedFile(slot)) as [FixedFile, FixedFile, FixedFile];
    expect(await ring.run(splice({ fdIn: file, offsetIn: 0, fdOut: writer, length: 50 }))).toBe(50);
    const back = new Uint8Array(100);
    expect(await ring.run(read({ fd: reader, buffer: back }))).toBe(50);
    expect(back.slice(0, 50)).toEqual(pattern(100).slice(0, 50));
  });

  test("leave the data in the pipe, with tee", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using one = pipe();
    using two = pipe();
    sys.write(one.second, pattern(100));
    expect(await ring.run(tee({ fdIn: one.first, fdOut: two.second, length: 1000 }))).toBe(100);
    for (const fd of [one.first, two.first]) {
      const back = new Uint8Array(100);
      expect(await ring.run(read({ fd, buffer: back }))).toBe(100);
      expect(back).toEqual(pattern(100));
    }
  });

  test("say what they cannot do, and wait no longer than they are asked to", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile(pattern(10));
    using ends = pipe();
    const { first: fdIn, second: fdOut } = ends;
    expect(await failure(ring.run(splice({ fdIn: file.first, fdOut: file.second, length: 5 })))).toMatchObject({
      code: "EINVAL",
      hint: expect.stringContaining("neither file is a pipe"),
    });
    expect(await failure(ring.run(splice({ fdIn, offsetIn: 3, fdOut: file.first, length: 5 })))).toMatchObject({ code: "ESPIPE" });
    expect(await failure(ring.run(tee({ fdIn, fdOut, length: 5 })))).toMatchObject({ code: "EINVAL", operation: "tee" });
    const hurried = splice({ fdIn, fdOut: file.first, length: 5, flags: SPLICE_F_NONBLOCK });
    expect(await failure(ring.run(hurried))).toMatchObject({ code: "EAGAIN" });
    const controller = new AbortController();
    const waiting = failure(ring.run(splice({ fdIn, fdOut: file.first, length: 5 }), { signal: controller.signal }));
    controller.abort(new Error("enough"));
    expect(await waiting).toMatchObject({ message: "enough" });
  });
});

/** Whether files of /var/tmp have attributes of users: ext4 and newer tmpfs do. */
async function haveAttributes(): Promise<boolean> {
  await using ring = await Ring.open({ entries: 8 });
  using folder = new TemporaryFolder("/var/tmp");
  return (await ring.settle(setxattr({ path: folder.path, name: "user.a", value: encode("a") }))).status === "fulfilled";
}

describe("extended attributes", async () => {
  const attributes = requires(await haveAttributes(), "the file system of /var/tmp has no attributes of users");

  attributes("are set and read, by path and by descriptor", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder("/var/tmp");
    const path = folder.file("a");
    writeFileSync(path, "");
    const fd = sys.open(path, O_RDWR);
    expect(await ring.run(setxattr({ path, name: "user.one", value: encode("first") }))).toBe(0);
    expect(await ring.run(fsetxattr({ fd, name: "user.two", value: encode("second") }))).toBe(0);
    const buffer = new Uint8Array(16);
    expect(await ring.run(fgetxattr({ fd, name: "user.one", buffer }))).toBe(5);
    expect(new TextDecoder().decode(buffer.slice(0, 5))).toBe("first");
    expect(await ring.run(getxattr({ path, name: "user.two", buffer }))).toBe(6);
    expect(new TextDecoder().decode(buffer.slice(0, 6))).toBe("second");
    expect(await ring.run(getxattr({ path, name: "user.two", buffer: new Uint8Array(0) }))).toBe(6); // how long is it?
    expect(await ring.run(setxattr({ path, name: "user.none", value: new Uint8Array(0) }))).toBe(0);
    expect(await ring.run(getxattr({ path, name: "user.none", buffer }))).toBe(0);
    expect(readFileSync(path).length).toBe(0);
    sys.close(fd);
  });

  attributes("say why not", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder("/var/tmp");
    const path = folder.file("a");
    writeFileSync(path, "");
    const value = encode("value");
    await ring.run(setxattr({ path, name: "user.a", value, flags: XATTR_CREATE }));
    const failures = [
      [getxattr({ path, name: "user.b", buffer: new Uint8Array(8) }), "ENODATA"],
      [getxattr({ path, name: "user.a", buffer: new Uint8Array(3) }), "ERANGE"],
      [setxattr({ path, name: "user.a", value, flags: XATTR_CREATE }), "EEXIST"],
      [setxattr({ path, name: "user.b", value, flags: XATTR_REPLACE }), "ENODATA"],
      [setxattr({ path, name: "nonsense", value }), "EOPNOTSUPP"],
      [setxattr({ path: "/no/such", name: "user.a", value }), "ENOENT"],
      [fsetxattr({ fd: 9999, name: "user.a", value }), "EBADF"],
      [fgetxattr({ fd: 9999, name: "user.a", buffer: value }), "EBADF"],
    ] as const;
    for (const [operation, code] of failures) expect(await failure(ring.run(operation))).toMatchObject({ code, operation: operation.name });
  });
});
