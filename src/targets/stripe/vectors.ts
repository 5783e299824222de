import { Arena, high32, low32 } from "../../ffi/index.ts";

/** 32-bit words in a `struct iovec`: base and length, of two each. */
const WORDS = 4;
const BYTES = 16;
/** The most iovecs that one operation takes (`UIO_MAXIOV`). */
const IOV_MAX = 1024;

/** The iovecs of a queue's operations, as many for each as it can need: one arena, written anew for each operation. */
export class Vectors {
  /** Iovecs in a row. */
  readonly most: number;
  readonly #arena: Arena;
  readonly #words: Int32Array;

  /** A row for each operation that may be in flight; `needed` iovecs in each, if one operation takes so many. */
  constructor(rows: number, needed: number) {
    this.most = Math.min(needed, IOV_MAX);
    this.#arena = Arena.allocate(rows * this.most * BYTES, { noHugePages: true });
    this.#words = this.#arena.words();
  }

  /** Address of a row. */
  address(row: number): number {
    return this.#arena.address + row * this.most * BYTES;
  }

  /** Writes an iovec of a row. */
  set(row: number, index: number, base: number, length: number): void {
    const at = (row * this.most + index) * WORDS;
    this.#words[at] = low32(base);
    this.#words[at + 1] = high32(base);
    this.#words[at + 2] = length;
    this.#words[at + 3] = 0;
  }

  /** The ring is closed by now. Unless it was closed in the middle of something, nothing reads the iovecs any more. */
  free(abandoned: boolean): void {
    if (abandoned) this.#arena.abandon();
    else this.#arena.dispose();
  }
}
