import { dlopen, toArrayBuffer } from "bun:ffi";

// Argument types follow a measured rule: i32, u32 and ptr are the fast ones, and `ptr` takes any integer Number up to
// 2^53, so every size_t, off_t and unsigned long is declared `ptr`. Results are i32 wherever the call allows it.

const LIBC = {
  __errno_location: { args: [], returns: "ptr" },
  open: { args: ["ptr", "i32", "i32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  ioctl: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  mmap: { args: ["ptr", "ptr", "i32", "i32", "i32", "ptr"], returns: "ptr" },
  munmap: { args: ["ptr", "ptr"], returns: "i32" },
  madvise: { args: ["ptr", "ptr", "i32"], returns: "i32" },
  mlock: { args: ["ptr", "ptr"], returns: "i32" },
  eventfd: { args: ["u32", "i32"], returns: "i32" },
  read: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  write: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  pread: { args: ["i32", "ptr", "ptr", "ptr"], returns: "i32" },
  pwrite: { args: ["i32", "ptr", "ptr", "ptr"], returns: "i32" },
  fcntl: { args: ["i32", "i32", "ptr"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  gettid: { args: [], returns: "i32" },
  sched_setaffinity: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  sched_getaffinity: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  prctl: { args: ["i32", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  epoll_create1: { args: ["i32"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  memfd_create: { args: ["ptr", "u32"], returns: "i32" },
  memcpy: { args: ["ptr", "ptr", "ptr"], returns: "void" },
  fallocate: { args: ["i32", "i32", "ptr", "ptr"], returns: "i32" },
  statx: { args: ["i32", "ptr", "i32", "u32", "ptr"], returns: "i32" },
} as const;

// `syscall` takes its number first. The same C function, declared once per shape, so that each has the fast types.
const SYSCALL_SETUP = { syscall: { args: ["i32", "u32", "ptr"], returns: "i32" } } as const;
const SYSCALL_ENTER = { syscall: { args: ["i32", "i32", "u32", "u32", "u32", "ptr", "ptr"], returns: "i32" } } as const;
const SYSCALL_REGISTER = { syscall: { args: ["i32", "i32", "u32", "ptr", "u32"], returns: "i32" } } as const;

const LIBURING = {
  io_uring_setup: { args: ["u32", "ptr"], returns: "i32" },
  io_uring_enter2: { args: ["i32", "u32", "u32", "u32", "ptr", "ptr"], returns: "i32" },
  io_uring_register: { args: ["i32", "u32", "ptr", "u32"], returns: "i32" },
} as const;

const SONAME = "libc.so.6";

/** libc's own functions, undecorated; only the modules of this folder call them. */
export const libc = dlopen(SONAME, LIBC).symbols;

const errnoWords = new Int32Array(toArrayBuffer(libc.__errno_location()!, 0, 4));

/** The calling thread's errno, as the last libc call left it. Read it at once: nothing may come between. */
export function lastErrno(): number {
  return errnoWords[0]!;
}

/** The three system calls of io_uring. Every function answers a negative errno on failure, whatever provides it. */
export interface RingSyscalls {
  /** Where the calls come from. */
  readonly provider: "liburing" | "libc";
  /** `io_uring_setup(2)`: the ring's descriptor. `params` is the address of a `struct io_uring_params`. */
  setup(entries: number, params: number): number;
  /** `io_uring_enter(2)` with `argsz`: how many SQEs were consumed. */
  enter(fd: number, toSubmit: number, minComplete: number, flags: number, argument: number, argumentSize: number): number;
  /** `io_uring_register(2)`. */
  register(fd: number, opcode: number, argument: number, count: number): number;
}

const NR_SETUP = 425;
const NR_ENTER = 426;
const NR_REGISTER = 427;

function fromLibc(): RingSyscalls {
  const setup = dlopen(SONAME, SYSCALL_SETUP).symbols.syscall;
  const enter = dlopen(SONAME, SYSCALL_ENTER).symbols.syscall;
  const register = dlopen(SONAME, SYSCALL_REGISTER).symbols.syscall;
  return {
    provider: "libc",
    setup(entries, params) {
      const result = setup(NR_SETUP, entries, params as never);
      return result < 0 ? -errnoWords[0]! : result;
    },
    enter(fd, toSubmit, minComplete, flags, argument, argumentSize) {
      const result = enter(NR_ENTER, fd, toSubmit, minComplete, flags, argument as never, argumentSize as never);
      return result < 0 ? -errnoWords[0]! : result;
    },
    register(fd, opcode, argument, count) {
      const result = register(NR_REGISTER, fd, opcode, argument as never, count);
      return result < 0 ? -errnoWords[0]! : result;
    },
  };
}

function fromLiburing(): RingSyscalls | undefined {
  let symbols: ReturnType<typeof dlopen<typeof LIBURING>>["symbols"];
  try {
    symbols = dlopen("liburing.so.2", LIBURING).symbols;
  } catch {
    return undefined; // not installed, or older than 2.3: libc serves as well
  }
  const enter = symbols.io_uring_enter2; // a constant, so that the JIT inlines the call
  return {
    provider: "liburing",
    setup: (entries, params) => symbols.io_uring_setup(entries, params as never),
    enter: (fd, toSubmit, minComplete, flags, argument, argumentSize) =>
      enter(fd, toSubmit, minComplete, flags, argument as never, argumentSize as never),
    register: (fd, opcode, argument, count) => symbols.io_uring_register(fd, opcode, argument as never, count),
  };
}

// Opened once per thread: every dlopen of Bun compiles its own stubs.
let libcCalls: RingSyscalls | undefined;
let liburingCalls: RingSyscalls | undefined;

/**
 * The io_uring system calls: liburing's exported ones where `liburing.so.2` is installed, libc's `syscall` elsewhere.
 *
 * `URING_UBLK_SYSCALLS=libc` or `=liburing` decides by hand; asking for a liburing that is not there is an error.
 */
export function ringSyscalls(provider = process.env.URING_UBLK_SYSCALLS): RingSyscalls {
  if (provider === "libc") return (libcCalls ??= fromLibc());
  if (provider === "liburing") {
    const found = (liburingCalls ??= fromLiburing());
    if (found === undefined) throw new Error("liburing.so.2 (2.3 or newer) is not installed; unset URING_UBLK_SYSCALLS");
    return found;
  }
  if (provider !== undefined && provider !== "") {
    throw new RangeError(`URING_UBLK_SYSCALLS is '${provider}'; it must be 'libc' or 'liburing'`);
  }
  return (liburingCalls ??= fromLiburing()) ?? (libcCalls ??= fromLibc());
}
