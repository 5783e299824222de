import { UBLK_IO_F_SHMEM_ZC, UBLK_SHMEM_ZC_IDX_MASK } from "./abi.ts";
import { UblkError } from "./error.ts";
import { Op } from "./op.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { DESCRIPTOR_WORDS } from "./request.ts";
import { sharedBufferAt } from "./shared-buffers.ts";
import type { SharedTable } from "./shared-table.ts";
import { TagMemory } from "./tag-memory.ts";

const EFAULT = -14;
const OFFSET = 4; // of the descriptor's words: addr is an offset and an index
const INDEX = 5;

/** The data of requests that lies in memory shared with the client (`UBLK_F_SHMEM_ZC`). What is asked of it is in the descriptor. */
export class SharedData {
  readonly #iod: Int32Array;
  readonly #table: SharedTable;
  readonly #device: number;
  readonly #kept: Int32Array | undefined;
  readonly #views: (Uint8Array<ArrayBuffer> | undefined)[];

  constructor(table: SharedTable, iod: Int32Array, { depth, device, mode }: Pick<QueueSpec, "depth" | "device" | "mode">) {
    this.#iod = iod;
    this.#table = table;
    this.#device = device;
    this.#kept = mode === "need-get-data" ? new Int32Array(depth * 2) : undefined;
    this.#views = new Array<Uint8Array<ArrayBuffer> | undefined>(depth).fill(undefined);
  }

  /** Whether the data of a tag's request lies there. */
  has(tag: number): boolean {
    return (this.#iod[tag * DESCRIPTOR_WORDS]! & UBLK_IO_F_SHMEM_ZC) !== 0;
  }

  /** NEED_GET_DATA will overwrite the place of a tag's WRITE, with that of the memory which it does not fill then. */
  keep(tag: number): void {
    const at = tag * DESCRIPTOR_WORDS;
    this.#kept!.set(this.#iod.subarray(at + OFFSET, at + DESCRIPTOR_WORDS), tag * 2);
  }

  /** Where it does. */
  address(tag: number): number {
    const offset = this.#find(tag);
    return this.#table.address + offset;
  }

  /** The client's own memory; the view is kept and replaced only when the place or the length changes. */
  bytes(tag: number, length: number): Uint8Array<ArrayBuffer> {
    const offset = this.#find(tag);
    const buffer = sharedBufferAt(this.#table.address, this.#table.length);
    const view = this.#views[tag];
    if (view !== undefined && view.length === length && view.byteOffset === offset && view.buffer === buffer) return view;
    return (this.#views[tag] = new Uint8Array(buffer, offset, length));
  }

  // Finds the memory, and answers the offset in it.
  #find(tag: number): number {
    const at = tag * DESCRIPTOR_WORDS;
    const kept = this.#kept !== undefined && (this.#iod[at]! & 0xff) === Op.WRITE;
    const offset = (kept ? this.#kept[tag * 2]! : this.#iod[at + OFFSET]!) >>> 0;
    const index = (kept ? this.#kept[tag * 2 + 1]! : this.#iod[at + INDEX]!) & UBLK_SHMEM_ZC_IDX_MASK;
    if (this.#table.find(index) && offset + this.#iod[at + 1]! * 512 <= this.#table.length) return offset;
    throw new UblkError({
      command: "SHMEM_ZC",
      device: this.#device,
      errno: EFAULT,
      hint: `the request lies in registered memory ${index}, which another program has registered; leave that to disk.shareMemory()`,
    });
  }
}

/** Memory for the data of a queue's tags, some of whose requests lie in the client's. */
export class SharingTagMemory extends TagMemory {
  readonly #shared: SharedData;

  constructor(spec: QueueSpec, shared: SharedData) {
    super(spec);
    this.#shared = shared;
  }

  override dataAddress(tag: number): number {
    return this.#shared.has(tag) ? this.#shared.address(tag) : super.dataAddress(tag);
  }

  override bytes(tag: number, length: number): Uint8Array<ArrayBuffer> {
    return this.#shared.has(tag) ? this.#shared.bytes(tag, length) : super.bytes(tag, length);
  }
}
