import { Arena } from "../../ffi/index.ts";

/** Zeros to write from, where a file cannot zero a range by itself: made when they are first needed, one for all files of a queue. */
export class Zeros {
  /** How many there are. */
  readonly bytes = 2 ** 20;
  #arena: Arena | undefined;

  /** Where they lie. */
  get address(): number {
    this.#arena ??= Arena.allocate(this.bytes);
    return this.#arena.address;
  }

  /** The ring is closed by now. Unless it was closed in the middle of something, nothing reads the zeros any more. */
  free(abandoned: boolean): void {
    if (abandoned) this.#arena?.abandon();
    else this.#arena?.dispose();
  }
}
