import { describe, expect, test } from "bun:test";
import {
  close,
  FixedFile,
  filesUpdate,
  fixedFdInstall,
  O_NONBLOCK,
  openatDirect,
  pipe,
  pipeDirect,
  Ring,
  read,
  statx,
  type UringError,
  write,
} from "uring-ublk";
import { F_GETFL, sys } from "uring-ublk/ffi";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { downTo, memoryFile, openOf, pattern } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

const F_GETFD = 1;

describe("an update of the file table", () => {
  test("puts files into given slots, skips some and empties others", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
    using one = memoryFile(pattern(10, 1));
    using two = memoryFile(pattern(10, 2));
    const first = async (slot: number): Promise<number | string> => {
      const buffer = new Uint8Array(1);
      const settled = await ring.settle(read({ fd: new FixedFile(slot), buffer, offset: 0 }));
      return settled.status === "fulfilled" ? buffer[0]! : (settled.reason as UringError).code;
    };
    const done = await ring.run(filesUpdate({ slot: new FixedFile(1), fds: [one.first, two.first] }));
    expect(done).toEqual([new FixedFile(1), new FixedFile(2)]);
    expect([await first(0), await first(1), await first(2)]).toEqual(["EBADF", pattern(1, 1)[0]!, pattern(1, 2)[0]!]);
    await ring.run(filesUpdate({ slot: new FixedFile(0), fds: [two.first, -2, -1] }));
    expect([await first(0), await first(1), await first(2)]).toEqual([pattern(1, 2)[0]!, pattern(1, 1)[0]!, "EBADF"]);
  });

  test("lets the kernel choose the slots, and stops at a descriptor that is none", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
    using one = memoryFile(pattern(10, 1));
    const files = await ring.run(filesUpdate({ slot: "any", fds: [one.first, one.first, 9999, one.first] }));
    expect(files.length).toBe(2);
    for (const fd of files) expect(await ring.run(read({ fd, buffer: new Uint8Array(5), offset: 0 }))).toBe(5);
    expect(await failure(ring.run(filesUpdate({ slot: "any", fds: [9999] })))).toMatchObject({ code: "EBADF", operation: "filesUpdate" });
    expect((await ring.run(filesUpdate({ slot: "any", fds: [one.first, one.first] }))).length).toBe(2);
    expect(await failure(ring.run(filesUpdate({ slot: "any", fds: [one.first] })))).toMatchObject({ code: "ENFILE" });
  });

  test("names what is missing", async () => {
    await using bare = await Ring.open({ entries: 8 });
    using one = memoryFile();
    const slot = new FixedFile(3);
    expect(await failure(bare.run(filesUpdate({ slot, fds: [one.first] })))).toMatchObject({
      code: "ENXIO",
      hint: expect.stringContaining("fixedFiles"),
    });
    await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
    expect(await failure(ring.run(filesUpdate({ slot, fds: [one.first, one.first] })))).toMatchObject({
      code: "EINVAL",
      hint: expect.stringContaining("outside the ring's file table"),
    });
  });

  test("gives each run of one description its own slots", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
    using one = memoryFile(pattern(10));
    const operation = filesUpdate({ slot: "any", fds: [one.first] });
    const files = await Promise.all(Array.from({ length: 4 }, () => ring.run(operation)));
    expect(new Set(files.map(([file]) => file!.slot)).size).toBe(4);
  });
});

describe("installing a descriptor", () => {
  const installs = requires(kernelAtLeast("6.8"), "fixedFdInstall needs Linux 6.8");

  installs("makes an ordinary descriptor of a slot, closed on exec unless told otherwise", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 2 });
    const slot = await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
    const fd = await ring.run(fixedFdInstall({ slot }));
    const inherited = await ring.run(fixedFdInstall({ slot, cloexec: false }));
    expect([sys.fcntl(fd, F_GETFD) & 1, sys.fcntl(inherited, F_GETFD) & 1]).toEqual([1, 0]);
    expect(await ring.run(read({ fd, buffer: new Uint8Array(5), offset: 0 }))).toBe(5);
    for (const each of [fd, inherited]) expect(await ring.run(close({ fd: each }))).toBe(0);
    expect(await ring.run(read({ fd: slot, buffer: new Uint8Array(5), offset: 0 }))).toBe(5);
    const empty = fixedFdInstall({ slot: new FixedFile(1 - slot.slot) });
    expect(await failure(ring.run(empty))).toMatchObject({ code: "EBADF", operation: "fixedFdInstall" });
  });

  installs("leaves no descriptor behind when it is aborted", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 1 });
    const slot = await ring.run(openatDirect({ path: "/proc/version", slot: "any" }));
    const before = openOf("/proc");
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const installing = failure(ring.run(fixedFdInstall({ slot }), { signal: controller.signal }));
      controller.abort(new Error("enough"));
      expect(await installing).toMatchObject({ message: "enough" });
    }
    expect(await downTo(before, "/proc")).toBe(before);
  });
});

describe("a pipe", () => {
  const pipes = requires(kernelAtLeast("6.16"), "pipe needs Linux 6.16");

  pipes("carries data from its writer to its reader", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const { reader, writer } = await ring.run(pipe());
    await ring.run(write({ fd: writer, buffer: pattern(100) }));
    const back = new Uint8Array(200);
    expect(await ring.run(read({ fd: reader, buffer: back }))).toBe(100);
    expect(back.slice(0, 100)).toEqual(pattern(100));
    for (const fd of [reader, writer]) {
      expect(sys.fcntl(fd, F_GETFD) & 1).toBe(1);
      expect((await ring.run(statx({ dirfd: fd }))).type).toBe("fifo");
      sys.close(fd);
    }
    const quick = await ring.run(pipe({ flags: O_NONBLOCK }));
    expect(sys.fcntl(quick.reader, F_GETFL) & O_NONBLOCK).toBe(O_NONBLOCK);
    for (const fd of [quick.reader, quick.writer]) sys.close(fd);
    expect(await failure(ring.run(pipe({ flags: 1 })))).toMatchObject({ code: "EINVAL", operation: "pipe" });
  });

  pipes("of one description is another one each time it is run", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const operation = pipe();
    const ends = await Promise.all(Array.from({ length: 8 }, () => ring.run(operation)));
    const fds = ends.flatMap(({ reader, writer }) => [reader, writer]);
    expect(new Set(fds).size).toBe(16);
    for (const fd of fds) sys.close(fd);
  });

  pipes("lies in two slots of the file table: given ones, or any", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
    const given = await ring.run(pipeDirect({ slot: new FixedFile(1) }));
    expect(given).toEqual({ reader: new FixedFile(1), writer: new FixedFile(2) });
    const any = await ring.run(pipeDirect({ slot: "any" }));
    expect([any.reader.slot, any.writer.slot].sort()).toEqual([0, 3]);
    for (const { reader, writer } of [given, any]) {
      await ring.run(write({ fd: writer, buffer: pattern(10) }));
      expect(await ring.run(read({ fd: reader, buffer: new Uint8Array(20) }))).toBe(10);
    }
    expect(await failure(ring.run(pipeDirect({ slot: "any" })))).toMatchObject({ code: "ENFILE" });
    expect(await failure(ring.run(pipeDirect({ slot: new FixedFile(3) })))).toMatchObject({ code: "EINVAL" });
    await using bare = await Ring.open({ entries: 8 });
    expect(await failure(bare.run(pipeDirect({ slot: new FixedFile(0) })))).toMatchObject({ code: "ENXIO" });
  });

  pipes("that nobody gets is closed, both ends of it", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 2 });
    const before = openOf("pipe:");
    for (const operation of [pipe(), pipeDirect({ slot: "any" }), pipeDirect({ slot: new FixedFile(0) })]) {
      for (let i = 0; i < 5; i++) {
        const controller = new AbortController();
        const making = failure(ring.run<unknown>(operation, { signal: controller.signal }));
        controller.abort(new Error("enough"));
        expect(await making).toMatchObject({ message: "enough" });
      }
    }
    expect(await downTo(before, "pipe:")).toBe(before);
    await ring.run(pipeDirect({ slot: "any" })); // there is room: the slots were emptied
  });
});
