import { addressOf, arrayBufferAt, detach } from "./memory.ts";
import {
  MADV_DONTFORK,
  MADV_NOHUGEPAGE,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  sys,
} from "./syscalls.ts";

/** A toArrayBuffer of 8 GiB throws and one of 4 GiB works: the largest arena that one ArrayBuffer can show. */
const MAX_BYTES = 4 * 1024 ** 3;

/** How an {@link Arena} is mapped. */
export interface ArenaOptions {
  /** Map every page now instead of on first touch. For small memory that the hot path touches at once. */
  populate?: boolean;
  /** Keep the kernel from using huge pages, whose first touch clears 2 MiB in the touching thread. */
  noHugePages?: boolean;
}

/**
 * Page-aligned memory that the library owns and the kernel may keep pointers to (`mmap(2)`).
 *
 * JavaScript sees it as one ArrayBuffer; slices are views of it. Disposing it detaches every view first and unmaps then:
 * a late access throws or reads nothing, and never touches memory that is gone. Close the ring that uses it before.
 *
 * @example
 * ```ts
 * import { Arena } from "uring-ublk/ffi";
 * using arena = Arena.allocate(64 * 1024);
 * const first = arena.bytes(0, 4096);
 * first[0] = 1;
 * console.log(arena.address % 4096); // 0
 * ```
 */
export class Arena implements Disposable {
  /** Address of the first byte; a multiple of the page size. */
  readonly address: number;
  /** Length in bytes; a multiple of the page size for anonymous memory. */
  readonly length: number;
  readonly #buffer: ArrayBuffer;
  #disposed = false;

  private constructor(address: number, length: number) {
    this.address = address;
    this.length = length;
    this.#buffer = arrayBufferAt(address, length);
  }

  /** Anonymous memory, zeroed by the kernel page by page as it is first touched, not inherited by forked children. */
  static allocate(length: number, options: ArenaOptions = {}): Arena {
    if (!Number.isSafeInteger(length) || length <= 0 || length > MAX_BYTES) {
      throw new RangeError(`length is ${length}; an arena holds 1 byte to 4 GiB`);
    }
    const rounded = Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    // Advice comes before the first touch, so that populating does not fetch huge pages first.
    const address = sys.mmap(0, rounded, PROT_READ | PROT_WRITE, flags, -1, 0);
    return owning(address, rounded, () => {
      sys.madvise(address, rounded, MADV_DONTFORK);
      if (options.noHugePages) sys.madvise(address, rounded, MADV_NOHUGEPAGE);
      const arena = new Arena(address, rounded);
      if (options.populate) arena.#touch();
      return arena;
    });
  }

  /** A shared mapping of a file or device (a ring, a descriptor table). The mapping outlives the descriptor. */
  static map(fd: number, offset: number, length: number, protection = PROT_READ | PROT_WRITE): Arena {
    const address = sys.mmap(0, length, protection, MAP_SHARED | MAP_POPULATE, fd, offset);
    return owning(address, length, () => {
      sys.madvise(address, length, MADV_DONTFORK);
      return new Arena(address, length);
    });
  }

  /** Whether the memory was given back. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** A view of a part; the same memory, no copy. */
  bytes(offset = 0, length = this.length - offset): Uint8Array<ArrayBuffer> {
    this.#check(offset, length);
    return new Uint8Array(this.#buffer, offset, length);
  }

  /** A view of a part as 32-bit words. */
  words(offset = 0, length = (this.length - offset) >> 2): Int32Array<ArrayBuffer> {
    this.#check(offset, length * 4);
    return new Int32Array(this.#buffer, offset, length);
  }

  /** A DataView of a part, for cold paths. */
  view(offset = 0, length = this.length - offset): DataView<ArrayBuffer> {
    this.#check(offset, length);
    return new DataView(this.#buffer, offset, length);
  }

  /** Whether `memory` lies in this arena. */
  owns(memory: ArrayBufferView): boolean {
    if (this.#disposed || memory.buffer !== this.#buffer) return false;
    const at = addressOf(memory);
    return at >= this.address && at + memory.byteLength <= this.address + this.length;
  }

  /** Detaches every view and unmaps the memory. Twice is fine. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    detach(this.#buffer);
    sys.munmap(this.address, this.length);
  }

  /**
   * Detaches every view, and leaves the memory mapped for the rest of the process: for memory that the kernel may still use after its
   * ring was closed.
   */
  abandon(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    detach(this.#buffer);
  }

  /** {@link Arena.dispose}, at the end of a `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #touch(): void {
    const bytes = this.bytes();
    for (let at = 0; at < bytes.length; at += PAGE_SIZE) bytes[at] = 0;
  }

  #check(offset: number, length: number): void {
    if (this.#disposed) throw new TypeError("the arena is disposed: its memory was given back");
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset + length > this.length) {
      throw new RangeError(`bytes ${offset}..${offset + length} lie outside the arena of ${this.length} bytes`);
    }
  }
}

// A mapping that nobody will own is given back.
function owning(address: number, length: number, make: () => Arena): Arena {
  try {
    return make();
  } catch (error) {
    sys.munmap(address, length);
    throw error;
  }
}
