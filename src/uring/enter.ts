import { Arena, errnoName } from "../ffi/index.ts";
import { UringError } from "./error.ts";
import { io_timespec, io_uring_getevents_arg } from "./structs.ts";

const TIMESPEC_AT = 64;
const TWO_32 = 0x1_0000_0000;

const HINTS: Readonly<Record<string, string>> = {
  EEXIST: "another thread made this ring; a ring lives and dies in one thread",
  EBADR: "the kernel ran out of memory for completions and lost some",
  EBADFD: "the ring is disabled; call register.enable() first",
  EOWNERDEAD: "the kernel's SQPOLL thread is gone",
  EBUSY: "the kernel takes no more SQEs; reap completions first",
};

/** An enter that will not work when it is repeated either. */
export function enterError(errno: number): UringError {
  const hint = HINTS[errnoName(errno)];
  return new UringError({ operation: "enter", syscall: "io_uring_enter", errno, ...(hint === undefined ? {} : { hint }) });
}

/** The argument of an enter with a time limit (`struct io_uring_getevents_arg`), in memory that does not move. */
export class WaitArgument implements Disposable {
  /** Bytes in it: what enter is told as `argsz`. */
  static readonly size = io_uring_getevents_arg.size;
  readonly #arena = Arena.allocate(4096, { populate: true });
  readonly #words = this.#arena.words(TIMESPEC_AT, io_timespec.size / 4);
  #nanoseconds = -1;
  /** Its address. */
  readonly address = this.#arena.address;

  constructor() {
    io_uring_getevents_arg.set(this.#arena.view(), "ts", this.address + TIMESPEC_AT);
  }

  /** Sets the limit. The same one again, as in a loop, costs nothing. */
  limit(nanoseconds: number): void {
    if (nanoseconds === this.#nanoseconds) return;
    const seconds = Math.floor(nanoseconds / 1e9);
    this.#words[0] = seconds;
    this.#words[1] = Math.floor(seconds / TWO_32);
    this.#words[2] = nanoseconds % 1e9;
    this.#nanoseconds = nanoseconds;
  }

  /** Gives the memory back. */
  [Symbol.dispose](): void {
    this.#arena.dispose();
  }
}
