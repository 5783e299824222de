import { Arena, MADV_DONTNEED, PAGE_SIZE, sys } from "../ffi/index.ts";
import { lockInRam } from "./locked-memory.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { ownTags } from "./threads.ts";

const strideOf = ({ maxIoBytes }: Pick<QueueSpec, "maxIoBytes">): number => Math.ceil(maxIoBytes / PAGE_SIZE) * PAGE_SIZE;

/**
 * Address space for so many tags. It is touched page by page as requests need it: mapping depth x maxIo at once would be wasteful, and huge
 * pages would clear 2 MiB in the serving thread.
 */
export function allocateTags(tags: number, spec: Pick<QueueSpec, "maxIoBytes">): Arena {
  return Arena.allocate(tags * strideOf(spec), { noHugePages: true });
}

type TagMemorySpec = Pick<QueueSpec, "depth" | "threads" | "thread" | "batch" | "maxIoBytes" | "lockMemory" | "commonMemory">;

/** Memory of this process for the data of a thread's tags: as much for each as the largest request needs. */
export class TagMemory {
  readonly #arena: Arena;
  readonly #stride: number;
  readonly #common: boolean;
  readonly #places: Float64Array; // of each tag, in the arena
  readonly #views: (Uint8Array<ArrayBuffer> | undefined)[];

  constructor(spec: TagMemorySpec) {
    const tags = ownTags(spec);
    const { commonMemory } = spec;
    this.#stride = strideOf(spec);
    this.#common = commonMemory !== undefined;
    this.#places = new Float64Array(spec.depth);
    for (const [i, tag] of tags.entries()) this.#places[tag] = i * this.#stride;
    this.#arena = commonMemory === undefined ? allocateTags(tags.length, spec) : Arena.over(commonMemory);
    // The first page of each tag is touched now: the kernel reads pages that were never written by a slow path, every time.
    for (const tag of tags) this.#arena.bytes(this.#places[tag], 1)[0] = 0;
    if (spec.lockMemory) lockInRam(this.#arena);
    this.#views = new Array<Uint8Array<ArrayBuffer> | undefined>(spec.depth).fill(undefined);
  }

  /** Memory to unmap when the thread died. */
  get mappings(): readonly { address: number; length: number }[] {
    return this.#common ? [] : [{ address: this.#arena.address, length: this.#arena.length }];
  }

  /** Whether other threads put requests into it as well. */
  get common(): boolean {
    return this.#common;
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
