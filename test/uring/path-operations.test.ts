import { describe, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import {
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  closeDirect,
  FixedFile,
  linkat,
  mkdirat,
  O_CREAT,
  O_DIRECTORY,
  O_RDWR,
  O_TMPFILE,
  openat2,
  openat2Direct,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_SYMLINKS,
  Ring,
  read,
  renameat,
  STATX_BASIC_STATS,
  STATX_DIOALIGN,
  STATX_SIZE,
  statx,
  symlinkat,
  unlinkat,
} from "uring-ublk";
import { O_RDONLY, sys } from "uring-ublk/ffi";
import { downTo, openOf, TemporaryFolder } from "./support/descriptors.ts";

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

describe("statx", () => {
  test("tells what Node's stat tells", async () => {
    await using ring = await Ring.open({ entries: 8 });
    for (const path of ["/", "/etc/passwd", "/dev/null", process.execPath]) {
      const wanted = statSync(path, { bigint: true });
      const got = await ring.run(statx({ path }));
      expect(got).toMatchObject({
        mode: Number(wanted.mode),
        permissions: Number(wanted.mode) & 0o7777,
        uid: Number(wanted.uid),
        gid: Number(wanted.gid),
        links: Number(wanted.nlink),
        size: Number(wanted.size),
        blocks: Number(wanted.blocks),
        blockSize: Number(wanted.blksize),
        inode: Number(wanted.ino),
        inodeExact: wanted.ino,
      });
      expect(BigInt(got.modified.seconds) * 1_000_000_000n + BigInt(got.modified.nanoseconds)).toBe(wanted.mtimeNs);
      expect(BigInt(got.changed.seconds) * 1_000_000_000n + BigInt(got.changed.nanoseconds)).toBe(wanted.ctimeNs);
      expect(got.modified.toDate()).toEqual(new Date(Number(wanted.mtimeMs)));
      expect(got.modified.ms).toBeCloseTo(Number(wanted.mtimeNs) / 1e6, 2);
      expect(got.mask & STATX_BASIC_STATS).toBe(STATX_BASIC_STATS);
    }
  });

  test("knows files, directories, links, pipes, sockets and devices apart", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    writeFileSync(folder.file("file"), "x");
    symlinkSync("file", folder.file("link"));
    const type = async (path: string, flags = 0): Promise<string> => (await ring.run(statx({ path, flags }))).type;
    expect(await type(folder.path)).toBe("directory");
    expect(await type(folder.file("file"))).toBe("file");
    expect(await type(folder.file("link"))).toBe("file");
    expect(await type(folder.file("link"), AT_SYMLINK_NOFOLLOW)).toBe("symlink");
    const nothing = await ring.run(statx({ path: "/dev/null" }));
    expect([nothing.type, nothing.represents]).toEqual(["character device", { major: 1, minor: 3 }]);
    const fds = [...sys.pipe(), ...sys.socketpair(1, 1)];
    const types = await Promise.all(fds.map(async (dirfd) => (await ring.run(statx({ dirfd }))).type));
    expect(types).toEqual(["fifo", "fifo", "socket", "socket"]);
    for (const fd of fds) sys.close(fd);
  });

  test("looks at an open file, and from a directory", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    writeFileSync(folder.file("a"), "12345");
    const dirfd = sys.open(folder.path, O_RDONLY);
    const fd = sys.open(folder.file("a"), O_RDONLY);
    expect((await ring.run(statx({ dirfd, path: "a", mask: STATX_SIZE }))).size).toBe(5);
    expect((await ring.run(statx({ dirfd: fd }))).size).toBe(5);
    expect((await ring.run(statx({ dirfd: fd, mask: STATX_SIZE | STATX_DIOALIGN }))).direct.offsetAlign).toBeGreaterThanOrEqual(0);
    sys.close(fd);
    sys.close(dirfd);
  });

  test("gives each run of one description its own result", async () => {
    await using ring = await Ring.open({ entries: 64 });
    using folder = new TemporaryFolder();
    const operation = statx({ path: folder.file("grows") });
    const sizes: number[] = [];
    writeFileSync(folder.file("grows"), "");
    for (let i = 1; i <= 3; i++) {
      writeFileSync(folder.file("grows"), "x".repeat(i));
      const results = await Promise.all(Array.from({ length: 10 }, () => ring.run(operation)));
      expect(new Set(results).size).toBe(10);
      sizes.push(...new Set(results.map(({ size }) => size)));
    }
    expect(sizes).toEqual([1, 2, 3]);
  });

  test("says what is wrong with a path or a flag", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(statx({ path: "/no/such/file" })))).toMatchObject({ code: "ENOENT", operation: "statx" });
    expect(await failure(ring.run(statx({ path: "/etc/passwd/x" })))).toMatchObject({ code: "ENOTDIR" });
    expect(await failure(ring.run(statx({ path: "x", dirfd: 9999 })))).toMatchObject({ code: "EBADF" });
    expect(await failure(ring.run(statx({ path: "/", flags: 0x4000_0000 })))).toMatchObject({ code: "EINVAL" });
  });
});

describe("openat2", () => {
  test("opens and creates as openat does", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    const fd = await ring.run(openat2({ path: folder.file("new"), flags: O_RDWR | O_CREAT, mode: 0o600 }));
    expect(sys.fcntl(fd, 1) & 1).toBe(1); // F_GETFD: close-on-exec
    expect(statSync(folder.file("new")).mode & 0o777).toBe(0o600);
    sys.close(fd);
    const unnamed = await ring.run(openat2({ path: folder.path, flags: O_RDWR | O_TMPFILE }));
    expect((await ring.run(statx({ dirfd: unnamed }))).links).toBe(0);
    sys.close(unnamed);
  });

  test("stays beneath a directory, or takes it for the root", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    mkdirSync(folder.file("inner"));
    writeFileSync(folder.file("inner/a"), "a");
    writeFileSync(folder.file("outer"), "o");
    symlinkSync("/outer", folder.file("absolute"));
    const dirfd = sys.open(folder.file("inner"), O_RDONLY);
    const beneath = (path: string): Promise<number> => ring.run(openat2({ path, dirfd, resolve: RESOLVE_BENEATH }));
    sys.close(await beneath("a"));
    expect(await failure(beneath("../outer"))).toMatchObject({ code: "EXDEV" });
    expect(await failure(beneath("/etc/passwd"))).toMatchObject({ code: "EXDEV" });
    const top = sys.open(folder.path, O_RDONLY);
    const fd = await ring.run(openat2({ path: "absolute", dirfd: top, resolve: RESOLVE_IN_ROOT }));
    const buffer = new Uint8Array(1);
    await ring.run(read({ fd, buffer, offset: 0 }));
    expect(buffer[0]).toBe("o".charCodeAt(0));
    expect(await failure(ring.run(openat2({ path: "absolute", dirfd: top, resolve: RESOLVE_NO_SYMLINKS })))).toMatchObject({
      code: "ELOOP",
    });
    for (const each of [fd, top, dirfd]) sys.close(each);
  });

  test("refuses flags that openat would ignore, and a mode for nothing", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(openat2({ path: "/etc/passwd", flags: 1 << 30 })))).toMatchObject({ code: "EINVAL" });
    expect(await failure(ring.run(openat2({ path: "/etc/passwd", mode: 0o600 })))).toMatchObject({ code: "EINVAL" });
    expect(await failure(ring.run(openat2({ path: "/etc/passwd", flags: O_DIRECTORY })))).toMatchObject({ code: "ENOTDIR" });
  });

  test("opens into the file table", async () => {
    await using ring = await Ring.open({ entries: 8, fixedFiles: 2 });
    const given = await ring.run(openat2Direct({ path: "/proc/version", slot: new FixedFile(1) }));
    const any = await ring.run(openat2Direct({ path: "/proc/version", slot: "any" }));
    expect([given.slot, any.slot]).toEqual([1, 0]);
    for (const slot of [given, any]) {
      expect(await ring.run(read({ fd: slot, buffer: new Uint8Array(5), offset: 0 }))).toBe(5);
      await ring.run(closeDirect({ slot }));
    }
    await using bare = await Ring.open({ entries: 8 });
    expect(await failure(bare.run(openat2Direct({ path: "/proc/version", slot: "any" })))).toMatchObject({
      code: "ENFILE",
      hint: expect.stringContaining("fixedFiles"),
    });
  });

  test("leaves no descriptor behind when it is aborted, whichever comes first", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const before = openOf("/proc");
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const opening = ring.settle(openat2({ path: "/proc/version" }), { signal: controller.signal });
      controller.abort();
      const settled = await opening;
      if (settled.status === "fulfilled") sys.close(settled.value);
    }
    expect(await downTo(before, "/proc")).toBe(before);
  });
});

describe("operations on directories", () => {
  test("make, rename, link and remove, by path and from directories", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    const dirfd = sys.open(folder.path, O_RDONLY);
    expect(await ring.run(mkdirat({ path: "made", dirfd, mode: 0o700 }))).toBe(0);
    expect(statSync(folder.file("made")).mode & 0o7777).toBe(0o700);
    writeFileSync(folder.file("a"), "content");
    expect(await ring.run(renameat({ oldPath: "a", oldDirfd: dirfd, newPath: folder.file("made/b") }))).toBe(0);
    expect([existsSync(folder.file("a")), readFileSync(folder.file("made/b"), "utf8")]).toEqual([false, "content"]);
    expect(await ring.run(linkat({ oldPath: folder.file("made/b"), newPath: "c", newDirfd: dirfd }))).toBe(0);
    expect(statSync(folder.file("c")).nlink).toBe(2);
    expect(await ring.run(symlinkat({ target: "made/b", path: "link", dirfd }))).toBe(0);
    expect(readlinkSync(folder.file("link"))).toBe("made/b");
    expect(await ring.run(linkat({ oldPath: folder.file("link"), newPath: folder.file("hard"), flags: AT_SYMLINK_FOLLOW }))).toBe(0);
    expect(lstatSync(folder.file("hard")).isSymbolicLink()).toBe(false);
    for (const path of ["c", "hard", "link", "made/b"]) expect(await ring.run(unlinkat({ path, dirfd }))).toBe(0);
    expect(await failure(ring.run(unlinkat({ path: "made", dirfd })))).toMatchObject({ code: "EISDIR" });
    expect(await ring.run(unlinkat({ path: "made", dirfd, flags: AT_REMOVEDIR }))).toBe(0);
    expect(existsSync(folder.file("made"))).toBe(false);
    sys.close(dirfd);
  });

  test("take long names, spaces and other scripts", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    const names = ["with space", "日本語", "n".repeat(255), "-rf", "new\nline"];
    await Promise.all(names.map((name) => ring.run(mkdirat({ path: folder.file(name) }))));
    expect(names.every((name) => statSync(folder.file(name)).isDirectory())).toBe(true);
    expect(await failure(ring.run(mkdirat({ path: folder.file("n".repeat(256)) })))).toMatchObject({ code: "ENAMETOOLONG" });
  });

  test("replace a file only when they may, and exchange two", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using folder = new TemporaryFolder();
    const [a, b] = [folder.file("a"), folder.file("b")];
    writeFileSync(a, "a");
    writeFileSync(b, "b");
    expect(await failure(ring.run(renameat({ oldPath: a, newPath: b, flags: RENAME_NOREPLACE })))).toMatchObject({ code: "EEXIST" });
    await ring.run(renameat({ oldPath: a, newPath: b, flags: RENAME_EXCHANGE }));
    expect([readFileSync(a, "utf8"), readFileSync(b, "utf8")]).toEqual(["b", "a"]);
    await ring.run(renameat({ oldPath: a, newPath: b }));
    expect([existsSync(a), readFileSync(b, "utf8")]).toEqual([false, "b"]);
  });

  test("name the operation and the reason when they fail", async () => {
    await using ring = await Ring.open({ entries: 8 });
    const there = "/etc/passwd";
    const failures = [
      [mkdirat({ path: there }), "EEXIST"],
      [symlinkat({ target: "x", path: there }), "EEXIST"],
      [linkat({ oldPath: "/no/such", newPath: "/no/such2" }), "ENOENT"],
      [renameat({ oldPath: "/no/such", newPath: "/no/such2" }), "ENOENT"],
      [unlinkat({ path: "/no/such" }), "ENOENT"],
      [unlinkat({ path: there, flags: AT_REMOVEDIR }), "ENOTDIR"],
      [mkdirat({ path: "x", dirfd: 9999 }), "EBADF"],
    ] as const;
    for (const [operation, code] of failures) expect(await failure(ring.run(operation))).toMatchObject({ code, operation: operation.name });
  });
});
