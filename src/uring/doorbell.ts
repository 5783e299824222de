import { SystemError, sys } from "../ffi/index.ts";
import type { Driver } from "./driver.ts";
import { POLLHUP, POLLIN } from "./ops/poll.ts";
import type { RawRing } from "./raw-ring.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const RING = new Uint8Array([1]);

/**
 * How another thread reaches one that blocks in enter: a socket that its ring polls.
 *
 * Not an eventfd: while somebody writes to one, the kernel does not signal another, so that the ring's own eventfd would say nothing
 * of it, and a thread that sleeps in its event loop would hear the bell much too late (Linux 6.18).
 */
export class Doorbell {
  /** The end for {@link answerDoorbell}. A number can be handed to another thread. */
  readonly inside: number;
  readonly #outside: number;
  #closed = false;

  constructor() {
    [this.inside, this.#outside] = sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
  }

  /** Rings, without waiting for anything. */
  ring(): void {
    try {
      sys.write(this.#outside, RING);
    } catch (error) {
      // Nobody has answered for so long that the socket is full: it rings anyway.
      if (!(error instanceof SystemError) || error.code !== "EAGAIN") throw error;
    }
  }

  /** Closes both ends. Twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    sys.close(this.inside);
    sys.close(this.#outside);
  }
}

// A poll tells of a wake-up, and does not look again: the one of a ring that has been taken already may come after the next poll has begun.
function take(fd: number, into: Uint8Array): void {
  try {
    sys.read(fd, into);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== "EAGAIN") throw error;
  }
}

/**
 * Calls `rung` in the thread of a ring whenever a descriptor (the inside of a {@link Doorbell}) has something to read.
 *
 * The event loop gets a turn after each ring of the bell, so that what `rung` has scheduled there comes about. Rings that come together
 * are one. The bell is answered as long as the ring is open, and nobody has hung up.
 */
export function answerDoorbell(raw: RawRing, driver: Driver, fd: number, rung: () => void): void {
  const taken = new Uint8Array(new ArrayBuffer(64));
  const slot = raw.allocate((result) => {
    // Hung up: the descriptor is closed, and its number may be somebody else's.
    if (raw.closed || result < 0 || (result & POLLHUP) !== 0) return;
    take(fd, taken);
    raw.poll(slot, fd, POLLIN);
    driver.yield();
    rung();
  });
  raw.poll(slot, fd, POLLIN);
  driver.kick();
}
