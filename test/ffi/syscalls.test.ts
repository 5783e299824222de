import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  addressOf,
  cpusOf,
  cString,
  F_GETFL,
  LOCK_EX,
  LOCK_NB,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  O_CREAT,
  O_NONBLOCK,
  O_RDWR,
  PR_SET_NAME,
  PROT_READ,
  SystemError,
  sys,
} from "uring-ublk/ffi";
import { pattern, TemporaryFolder } from "../uring/support/descriptors.ts";

describe("typed system calls", () => {
  test("open, read, write, seekless reads and writes, and close", () => {
    using folder = new TemporaryFolder();
    const fd = sys.open(folder.file("a"), O_RDWR | O_CREAT, 0o600);
    expect(sys.write(fd, pattern(100))).toBe(100);
    expect(sys.pwrite(fd, Uint8Array.of(9), 2 ** 33)).toBe(1);
    const back = new Uint8Array(100);
    expect(sys.pread(fd, back, 0)).toBe(100);
    expect(back).toEqual(pattern(100));
    expect(sys.pread(fd, back, 2 ** 33)).toBe(1);
    expect(back[0]).toBe(9);
    expect(sys.read(fd, back)).toBe(100); // behind the 100 lies a hole
    sys.close(fd);
    expect(() => sys.close(fd)).toThrow(/close '\d+': EBADF/);
  });

  test("open close-on-exec", () => {
    const fds = [sys.open("/dev/null", 0), sys.eventfd(0, 0), sys.memfdCreate("x"), ...sys.socketpair(1, 1)];
    for (const fd of fds) {
      expect(sys.fcntl(fd, 1)).toBe(1); // F_GETFD: FD_CLOEXEC
      sys.close(fd);
    }
  });

  test("eventfd counts, and says EAGAIN when it is empty", () => {
    const fd = sys.eventfd(3, O_NONBLOCK);
    expect(sys.fcntl(fd, F_GETFL) & O_NONBLOCK).toBe(O_NONBLOCK);
    const counter = new BigUint64Array(1);
    expect(sys.read(fd, counter)).toBe(8);
    expect(counter[0]).toBe(3n);
    expect(() => sys.read(fd, counter)).toThrow(/read '\d+': EAGAIN/);
    sys.close(fd);
  });

  test("mmap answers an address, and names a failure", () => {
    const at = sys.mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    expect(at % 4096).toBe(0);
    sys.munmap(at, 8192);
    expect(() => sys.mmap(0, 4096, PROT_READ, MAP_PRIVATE, 1_000_000, 0)).toThrow(/mmap: EBADF/);
    expect(() => sys.mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)).toThrow(/mmap: EINVAL/);
    expect(() => sys.munmap(1, 4096)).toThrow(/munmap: EINVAL/);
    expect(() => sys.madvise(4096, 4096, 4)).toThrow(/madvise: ENOMEM/);
    expect(() => sys.mlock(4096, 4096)).toThrow(/mlock: ENOMEM/);
    sys.madvise(at, 4095, 999); // advice that this kernel does not have is no failure
  });

  test("flock holds other openings off", () => {
    using folder = new TemporaryFolder();
    const one = sys.open(folder.file("lock"), O_RDWR | O_CREAT);
    const two = sys.open(folder.file("lock"), O_RDWR);
    sys.flock(one, LOCK_EX | LOCK_NB);
    expect(() => sys.flock(two, LOCK_EX | LOCK_NB)).toThrow(/EAGAIN/);
    sys.close(one);
    sys.flock(two, LOCK_EX | LOCK_NB);
    sys.close(two);
  });

  test("read and set the CPUs of a thread", () => {
    const tid = sys.gettid();
    expect(tid).toBeGreaterThan(0);
    const cpus = sys.schedGetAffinity(0);
    expect(cpus.length).toBeGreaterThan(0);
    sys.schedSetAffinity(tid, [cpus[0]!]);
    expect(sys.schedGetAffinity(tid)).toEqual([cpus[0]!]);
    sys.schedSetAffinity(tid, cpus);
    expect(() => sys.schedSetAffinity(tid, [])).toThrow(/EINVAL/);
    expect(cpusOf(Uint8Array.of(0b101, 0, 0b1))).toEqual([0, 2, 16]);
  });

  test("set the name of a thread", () => {
    const old = readFileSync("/proc/thread-self/comm", "utf8").trim();
    sys.prctl(PR_SET_NAME, addressOf(cString("uring-test")));
    expect(readFileSync("/proc/thread-self/comm", "utf8")).toBe("uring-test\n");
    sys.prctl(PR_SET_NAME, addressOf(cString(old)));
    expect(() => sys.prctl(-1)).toThrow(/prctl '-1': EINVAL/);
  });

  test("make pipes and epoll instances that are closed on exec", () => {
    const [reader, writer] = sys.pipe();
    sys.write(writer, new TextEncoder().encode("hello"));
    const buffer = new Uint8Array(16);
    expect(sys.read(reader, buffer)).toBe(5);
    const epoll = sys.epollCreate();
    for (const fd of [reader, writer, epoll]) {
      expect(sys.fcntl(fd, 1) & 1).toBe(1); // F_GETFD
      sys.close(fd);
    }
    expect(() => sys.pipe(1)).toThrow(/EINVAL/);
  });

  test("check their arguments, which the FFI itself would turn into zeros", () => {
    const bad = undefined as never;
    for (const call of [
      () => sys.close(bad),
      () => sys.close(Number.NaN),
      () => sys.open("/dev/null", bad),
      () => sys.mmap(0, bad, 0, 0, -1, 0),
      () => sys.munmap(bad, 1),
      () => sys.munmap(1.5, 1),
      () => sys.ioctl(bad, 0),
    ]) {
      expect(call).toThrow(TypeError);
    }
    expect(() => sys.open("a\0b", 0)).toThrow(/NUL byte/);
    expect(() => sys.pread(0, new Uint8Array(1), -1)).toThrow(RangeError);
    expect(() => sys.pwrite(0, new Uint8Array(1), 0.5)).toThrow(TypeError);
    const detached = new Uint8Array(1);
    detached.buffer.transfer();
    expect(() => sys.read(0, detached)).toThrow(/detached/);
  });

  test("pass paths with any characters", () => {
    using folder = new TemporaryFolder();
    const path = folder.file("Grüße, 世界 \u{1f600}");
    const fd = sys.open(path, O_RDWR | O_CREAT);
    sys.close(fd);
    expect(() => sys.open(`${path}?`, 0)).toThrow(SystemError);
  });
});
