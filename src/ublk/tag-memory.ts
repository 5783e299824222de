import { Arena, MADV_DONTNEED, PAGE_SIZE, sys } from "../ffi/index.ts";
import { lockInRam } from "./locked-memory.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { ownTags } from "./threads.ts";

/** Memory of this process for the data of a thread's tags: as much for each as the largest request needs. */
export class TagMemory {
  readonly #arena: Arena;
  readonly #stride: number;
  readonly #places: Float64Array; // of each tag, in the arena
  readonly #views: (Uint8Array<ArrayBuffer> | undefined)[];

  constructor(spec: Pick<QueueSpec, "depth" | "threads" | "thread" | "maxIoBytes" | "lockMemory">) {
    const tags = ownTags(spec);
    this.#stride = Math.ceil(spec.maxIoBytes / PAGE_SIZE) * PAGE_SIZE;
    this.#places = new Float64Array(spec.depth);
    for (const [i, tag] of tags.entries()) this.#places[tag] = i * this.#stride;
    // Touched page by page as requests need them: mapping depth x maxIo at once would be wasteful, and huge pages would clear
    // 2 MiB in the serving thread.
    this.#arena = Arena.allocate(tags.length * this.#stride, { noHugePages: true });
    // The first page of each tag is touched now: the kernel reads pages that were never written by a slow path, every time.
    for (const tag of tags) this.#arena.bytes(this.#places[tag], 1)[0] = 0;
    if (spec.lockMemory) lockInRam(this.#arena);
    this.#views = new Array<Uint8Array<ArrayBuffer> | undefined>(spec.depth).fill(undefined);
  }

  /** Memory to unmap when the thread died. */
  get mapping(): { address: number; length: number } {
    return { address: this.#arena.address, length: this.#arena.length };
  }

  /** Address of a tag's memory. */
  address(tag: number): number {
    return this.#arena.address + this.#places[tag]!;
  }

  /** Where the data of a tag's request is. */
  dataAddress(tag: number): number {
    return this.#arena.address + this.#places[tag]!;
  }

  /** A tag's memory; the view is kept and replaced only when the length changes. */
  bytes(tag: number, length: number): Uint8Array<ArrayBuffer> {
    const view = this.#views[tag];
    if (view !== undefined && view.length === length) return view;
    return (this.#views[tag] = this.#arena.bytes(this.#places[tag], length));
  }

  /** Gives the pages of a tag back that only large requests touch. What is in them is lost. Not of memory that is locked. */
  giveBack(tag: number): void {
    if (this.#stride > PAGE_SIZE) sys.madvise(this.address(tag) + PAGE_SIZE, this.#stride - PAGE_SIZE, MADV_DONTNEED);
  }

  /** Detaches the views, and unmaps the memory unless the kernel may still use it. The ring must be closed. */
  dispose(inUse: boolean): void {
    if (inUse) this.#arena.abandon();
    else this.#arena.dispose();
  }
}
