/** Lets one request at a time pass; the others wait in the order of their arrival. */
export class Serializer {
  #busy = -1;
  readonly #waiting: number[] = [];

  /** Whether the tag may be served now, for the first time or again. If not, it waits. */
  enter(tag: number): boolean {
    if (this.#busy >= 0 && this.#busy !== tag) {
      this.#waiting.push(tag);
      return false;
    }
    this.#busy = tag;
    return true;
  }

  /** The tag is finished: answers the one whose turn it is now, or -1. */
  leave(tag: number): number {
    if (this.#busy !== tag) return -1;
    this.#busy = this.#waiting.shift() ?? -1;
    return this.#busy;
  }

  /** The tag does not wait any longer. */
  forget(tag: number): void {
    const at = this.#waiting.indexOf(tag);
    if (at >= 0) this.#waiting.splice(at, 1);
  }
}
