import { SystemError } from "./error.ts";
import { lastErrno, libc } from "./library.ts";
import { addressOf, type Memory } from "./memory.ts";

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_NONBLOCK = 0o4000;
export const O_DIRECT = 0o40000;
export const O_CLOEXEC = 0o2000000;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_ANONYMOUS = 0x20;
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x8000;
export const MADV_DONTNEED = 4;
export const MADV_DONTFORK = 10;
export const MADV_NOHUGEPAGE = 15;
export const EFD_NONBLOCK = 0o4000;
export const EFD_CLOEXEC = 0o2000000;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_SH = 1;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const PR_SET_NAME = 15;

/** Bytes in a page. x86-64 has one size; another platform is announced only once it has run. */
export const PAGE_SIZE = 4096;

const EINTR = 4;
const EINVAL = 22;

function integer(name: string, value: number, syscall: string): number {
  if (!Number.isSafeInteger(value)) throw new TypeError(`${syscall}: ${name} is ${String(value)}; it must be an integer`);
  return value;
}

function fail(syscall: string, subject?: string, hint?: string): never {
  throw new SystemError({
    syscall,
    errno: -lastErrno(),
    ...(subject === undefined ? {} : { subject }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A NUL-terminated copy of a string, for calls that take a path. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`the path contains a NUL byte: ${JSON.stringify(text)}`);
  return new TextEncoder().encode(`${text}\0`);
}

function open(path: string, flags: number, mode = 0o666): number {
  const name = cString(path);
  for (;;) {
    const fd = libc.open(addressOf(name) as never, integer("flags", flags, "open") | O_CLOEXEC, mode);
    if (fd >= 0) return fd;
    if (lastErrno() !== EINTR) fail("open", path);
  }
}

function close(fd: number): void {
  // Linux has released the descriptor even when it answers EINTR: never repeat.
  if (libc.close(integer("fd", fd, "close")) < 0 && lastErrno() !== EINTR) fail("close", String(fd));
}

function mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number {
  integer("length", length, "mmap");
  integer("offset", offset, "mmap");
  const result = libc.mmap(address as never, length as never, protection, flags, fd, offset as never) as unknown;
  // -1 (MAP_FAILED) arrives as a BigInt, and 0 as null.
  if (typeof result !== "number") fail("mmap");
  return result;
}

function munmap(address: number, length: number): void {
  if (libc.munmap(integer("address", address, "munmap") as never, length as never) < 0) fail("munmap");
}

/** `madvise(2)`; answers whether the advice was taken. */
function madvise(address: number, length: number, advice: number): boolean {
  if (libc.madvise(address as never, length as never, advice) === 0) return true;
  // EINVAL: the kernel was built without the feature the advice is about, or the pages are locked; advice is only advice.
  return lastErrno() === EINVAL ? false : fail("madvise");
}

function mlock(address: number, length: number): void {
  if (libc.mlock(integer("address", address, "mlock") as never, integer("length", length, "mlock") as never) < 0) fail("mlock");
}

function eventfd(initial: number, flags: number): number {
  const fd = libc.eventfd(initial, flags | EFD_CLOEXEC);
  return fd >= 0 ? fd : fail("eventfd");
}

/** `ioctl(2)` with an argument that is a number or memory; answers the call's own result. */
function ioctl(fd: number, request: number, argument: number | Memory = 0): number {
  integer("fd", fd, "ioctl");
  const value = typeof argument === "number" ? argument : addressOf(argument);
  const result = libc.ioctl(fd, request as never, value as never);
  return result >= 0 ? result : fail("ioctl", `0x${request.toString(16)}`);
}

function range(syscall: string, memory: Memory, offset: number): number {
  integer("offset", offset, syscall);
  if (offset < 0) throw new RangeError(`${syscall}: offset is ${offset}; it must not be negative`);
  return addressOf(memory);
}

function read(fd: number, into: Memory): number {
  for (;;) {
    const got = libc.read(fd, addressOf(into) as never, into.byteLength as never);
    if (got >= 0) return got;
    if (lastErrno() !== EINTR) fail("read", String(fd));
  }
}

function write(fd: number, from: Memory): number {
  for (;;) {
    const done = libc.write(fd, addressOf(from) as never, from.byteLength as never);
    if (done >= 0) return done;
    if (lastErrno() !== EINTR) fail("write", String(fd));
  }
}

function preadAt(fd: number, address: number, length: number, offset: number): number {
  for (;;) {
    const got = libc.pread(fd, address as never, length as never, offset as never);
    if (got >= 0) return got;
    if (lastErrno() !== EINTR) fail("pread", String(fd));
  }
}

const pread = (fd: number, into: Memory, offset: number): number => preadAt(fd, range("pread", into, offset), into.byteLength, offset);

function pwriteAt(fd: number, address: number, length: number, offset: number): number {
  for (;;) {
    const done = libc.pwrite(fd, address as never, length as never, offset as never);
    if (done >= 0) return done;
    if (lastErrno() !== EINTR) fail("pwrite", String(fd));
  }
}

const pwrite = (fd: number, from: Memory, offset: number): number => pwriteAt(fd, range("pwrite", from, offset), from.byteLength, offset);

function fcntl(fd: number, command: number, argument = 0): number {
  const result = libc.fcntl(fd, command, argument as never);
  return result >= 0 ? result : fail("fcntl", String(fd));
}

function flock(fd: number, operation: number): void {
  while (libc.flock(fd, operation) < 0) if (lastErrno() !== EINTR) fail("flock", String(fd));
}

function fallocate(fd: number, mode: number, offset: number, length: number): void {
  integer("offset", offset, "fallocate");
  integer("length", length, "fallocate");
  while (libc.fallocate(fd, mode, offset as never, length as never) < 0) if (lastErrno() !== EINTR) fail("fallocate", String(fd));
}

const AT_EMPTY_PATH = 0x1000;
const STATX_BYTES = 256;
const STATX_DIOALIGN = 0x2000;
const DIO_MEM_ALIGN = 152 / 4; // words of struct statx
const DIO_OFFSET_ALIGN = 156 / 4;

/** What O_DIRECT demands of a file, by `statx(2)` (6.1): 0 and 0 where it cannot; undefined where the file system does not tell. */
function directAlignment(fd: number): { memory: number; offset: number } | undefined {
  const statx = new Uint32Array(new ArrayBuffer(STATX_BYTES));
  if (libc.statx(fd, addressOf(cString("")) as never, AT_EMPTY_PATH, STATX_DIOALIGN, addressOf(statx) as never) < 0)
    fail("statx", String(fd));
  return (statx[0]! & STATX_DIOALIGN) === 0 ? undefined : { memory: statx[DIO_MEM_ALIGN]!, offset: statx[DIO_OFFSET_ALIGN]! };
}

function gettid(): number {
  return libc.gettid();
}

/** CPU numbers from a kernel cpumask. */
export function cpusOf(mask: Uint8Array): number[] {
  const cpus: number[] = [];
  for (let cpu = 0; cpu < mask.length * 8; cpu++) if (mask[cpu >> 3]! & (1 << (cpu & 7))) cpus.push(cpu);
  return cpus;
}

const CPU_MASK_BYTES = 1024;

function schedSetAffinity(tid: number, cpus: readonly number[]): void {
  const mask = new Uint8Array(CPU_MASK_BYTES);
  for (const cpu of cpus) mask[cpu >> 3]! |= 1 << (cpu & 7);
  if (libc.sched_setaffinity(tid, mask.byteLength as never, addressOf(mask) as never) < 0) fail("sched_setaffinity", cpus.join(","));
}

function schedGetAffinity(tid: number): number[] {
  const mask = new Uint8Array(CPU_MASK_BYTES);
  if (libc.sched_getaffinity(tid, mask.byteLength as never, addressOf(mask) as never) < 0) fail("sched_getaffinity");
  return cpusOf(mask);
}

function prctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  const result = libc.prctl(option, a as never, b as never, c as never, d as never);
  return result >= 0 ? result : fail("prctl", String(option));
}

function socketpair(domain: number, type: number, protocol = 0): [number, number] {
  const pair = new Int32Array(new ArrayBuffer(8));
  if (libc.socketpair(domain, type | O_CLOEXEC, protocol, addressOf(pair) as never) < 0) fail("socketpair");
  return [pair[0]!, pair[1]!];
}

function pipe(flags = 0): [reader: number, writer: number] {
  const pair = new Int32Array(new ArrayBuffer(8));
  if (libc.pipe2(addressOf(pair) as never, flags | O_CLOEXEC) < 0) fail("pipe2");
  return [pair[0]!, pair[1]!];
}

function epollCreate(): number {
  const fd = libc.epoll_create1(O_CLOEXEC);
  return fd >= 0 ? fd : fail("epoll_create1");
}

const SOCKADDR_BYTES = 128; // sizeof(struct sockaddr_storage)

function nameOf(syscall: "getsockname" | "getpeername", fd: number): Uint8Array<ArrayBuffer> {
  const name = new Uint8Array(new ArrayBuffer(SOCKADDR_BYTES));
  const length = Uint32Array.of(SOCKADDR_BYTES);
  if (libc[syscall](integer("fd", fd, syscall), addressOf(name) as never, addressOf(length) as never) < 0) fail(syscall, String(fd));
  return name.subarray(0, Math.min(length[0]!, SOCKADDR_BYTES));
}

/** Nanoseconds of a clock (`clock_gettime(2)`), exact below 2^53. */
function clockGettime(clock: number): number {
  const time = new BigInt64Array(2);
  if (libc.clock_gettime(integer("clock", clock, "clock_gettime"), addressOf(time) as never) < 0) fail("clock_gettime", String(clock));
  return Number(time[0]) * 1e9 + Number(time[1]);
}

function memfdCreate(name: string, flags = 1): number {
  const fd = libc.memfd_create(addressOf(cString(name)) as never, flags);
  return fd >= 0 ? fd : fail("memfd_create", name);
}

/**
 * Typed system calls. Each checks its arguments (the raw FFI turns `undefined` into 0 without a word), repeats on EINTR where
 * that is right, opens with O_CLOEXEC, and throws a {@link SystemError} that names the call.
 */
export const sys = {
  /** `open(2)` with O_CLOEXEC; answers the descriptor. */
  open,
  /** `close(2)`. Not repeated after EINTR: Linux has released the descriptor by then. */
  close,
  /** `mmap(2)`; answers the address. */
  mmap,
  /** `munmap(2)`. Detach every view over the memory before. */
  munmap,
  /** `madvise(2)`. Advice that this kernel does not know (EINVAL) is no failure. */
  madvise,
  /** `mlock(2)`: memory that is in RAM when it returns, and stays there until it is unmapped. */
  mlock,
  /** `eventfd(2)` with EFD_CLOEXEC; answers the descriptor. */
  eventfd,
  /** `ioctl(2)` with an argument that is a number or memory; answers the call's own result. */
  ioctl,
  /** `read(2)`; answers the bytes read, 0 at the end. */
  read,
  /** `write(2)`; answers the bytes written. */
  write,
  /** `pread(2)`: a read at an offset in bytes. */
  pread,
  /** `pwrite(2)`: a write at an offset in bytes. */
  pwrite,
  /** `pread(2)` into memory that is known by its address. Nothing is checked. */
  preadAt,
  /** `pwrite(2)` from memory that is known by its address. Nothing is checked. */
  pwriteAt,
  /** `fcntl(2)` with a number as its argument; answers the call's own result. */
  fcntl,
  /** `flock(2)`: a lock on an open file. */
  flock,
  /** `gettid(2)`: the kernel's number of the calling thread. */
  gettid,
  /** `sched_setaffinity(2)`: the CPUs a thread may run on; 0 is the calling one. */
  schedSetAffinity,
  /** `sched_getaffinity(2)`: the CPUs a thread may run on; 0 is the calling one. */
  schedGetAffinity,
  /** `prctl(2)`; pointers are passed as addresses. */
  prctl,
  /** `socketpair(2)` with SOCK_CLOEXEC; answers both descriptors. */
  socketpair,
  /** `pipe2(2)` with O_CLOEXEC; answers both descriptors. */
  pipe,
  /** `epoll_create1(2)` with EPOLL_CLOEXEC; answers the descriptor. */
  epollCreate,
  /** `getsockname(2)`: the bytes of a socket's own address (`struct sockaddr`). */
  getsockname: (fd: number) => nameOf("getsockname", fd),
  /** `getpeername(2)`: the bytes of the address a socket is connected to. */
  getpeername: (fd: number) => nameOf("getpeername", fd),
  /** `memfd_create(2)`, close-on-exec by default; answers the descriptor of an empty file in memory. */
  memfdCreate,
  /** `fallocate(2)`: mode, offset and length in bytes. */
  fallocate,
  /** The alignments that O_DIRECT needs on an open file (`statx(2)` with STATX_DIOALIGN, 6.1). */
  directAlignment,
  /** `clock_gettime(2)`; answers nanoseconds. */
  clockGettime,
} as const;
