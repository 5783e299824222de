import { Arena, PAGE_SIZE } from "../ffi/index.ts";
import { FixedBuffer } from "../uring/index.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { Op, type RequestBuffer } from "./request.ts";

/** The data of a queue's tags: memory of this process in copy mode, slots of the ring's buffer table otherwise. */
export class TagBuffers {
  readonly #mode: QueueSpec["mode"];
  readonly #arena: Arena | undefined;
  readonly #stride: number;
  readonly #depth: number;
  readonly #views: (Uint8Array<ArrayBuffer> | undefined)[];
  readonly #byHand: Uint8Array; // 1: registered by hand, in the table's second half
  #byHandCount = 0;

  constructor({ mode, depth, maxIoBytes }: QueueSpec) {
    this.#mode = mode;
    this.#depth = depth;
    this.#stride = Math.ceil(maxIoBytes / PAGE_SIZE) * PAGE_SIZE;
    // Touched page by page as requests need them: mapping depth x maxIo at once would be wasteful, and huge pages would clear
    // 2 MiB in the serving thread.
    this.#arena = mode === "copy" ? Arena.allocate(depth * this.#stride, { noHugePages: true }) : undefined;
    // The first page of each tag is touched now: the kernel reads pages that were never written by a slow path, every time.
    for (let tag = 0; this.#arena !== undefined && tag < depth; tag++) this.#arena.bytes(tag * this.#stride, 1)[0] = 0;
    this.#views = new Array<Uint8Array<ArrayBuffer> | undefined>(depth).fill(undefined);
    this.#byHand = new Uint8Array(depth);
  }

  /** Slots that the ring's buffer table needs. */
  get tableSlots(): number {
    return this.#arena === undefined ? this.#depth * 2 : 0;
  }

  /** Whether the data is memory of this process. */
  get inMemory(): boolean {
    return this.#arena !== undefined;
  }

  /** Memory to unmap when the thread died. */
  get mappings(): readonly { address: number; length: number }[] {
    return this.#arena === undefined ? [] : [{ address: this.#arena.address, length: this.#arena.length }];
  }

  /** Address of a tag's memory; copy mode only. */
  address(tag: number): number {
    return this.#arena!.address + tag * this.#stride;
  }

  /** Slot of the buffer table that holds the request's pages. */
  index(tag: number): number {
    return this.#byHand[tag] === 1 ? this.#depth + tag : tag;
  }

  /** A tag's memory; the view is kept and replaced only when the length changes. */
  bytes(tag: number, length: number): Uint8Array<ArrayBuffer> {
    const view = this.#views[tag];
    if (view !== undefined && view.length === length) return view;
    if (this.#arena === undefined) {
      throw new TypeError(`the data stays in the kernel in mode '${this.#mode}': use request.buffer, or serve with mode: 'copy'`);
    }
    const fresh = this.#arena.bytes(tag * this.#stride, length);
    this.#views[tag] = fresh;
    return fresh;
  }

  /** The data in whatever form the mode gives it. */
  buffer(tag: number, op: number, length: number): RequestBuffer {
    if (this.#arena !== undefined) return { kind: "memory", bytes: this.bytes(tag, length) };
    const index = this.index(tag);
    return op === Op.WRITE
      ? { kind: "source", fixed: new FixedBuffer(index, 0, length, "source") }
      : { kind: "sink", fixed: new FixedBuffer(index, 0, length, "sink") };
  }

  /** Whether the tag's pages were registered by hand. */
  isByHand(tag: number): boolean {
    return this.#byHand[tag] === 1;
  }

  /** Tags whose pages are registered by hand. */
  get byHandCount(): number {
    return this.#byHandCount;
  }

  /** Notes that the tag's pages are, or are no longer, registered by hand. */
  setByHand(tag: number, byHand: boolean): void {
    this.#byHandCount += Number(byHand) - this.#byHand[tag]!;
    this.#byHand[tag] = Number(byHand);
  }

  /** Detaches the views, and unmaps the memory unless the kernel may still use it. The ring must be closed. */
  dispose(inUse: boolean): void {
    if (inUse) this.#arena?.abandon();
    else this.#arena?.dispose();
  }
}
