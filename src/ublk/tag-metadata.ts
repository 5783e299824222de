import { Arena, PAGE_SIZE } from "../ffi/index.ts";
import { UBLK_IO_F_INTEGRITY } from "./abi.ts";
import type { CheckedIntegrity } from "./integrity.ts";
import { RequestMetadata } from "./metadata.ts";
import { Op } from "./op.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { DESCRIPTOR_WORDS } from "./request.ts";
import { TagBuffers } from "./tag-buffers.ts";

const UNSEEN = 0;
const SEEN = 1; // a WRITE's is in memory, a READ's was cleared to be filled

/** The data of a queue's tags, and the metadata beside it (`UBLK_F_INTEGRITY`): memory for each tag, copied by the serving thread. */
export class MetadataBuffers extends TagBuffers {
  readonly #iod: Int32Array;
  readonly #shape: CheckedIntegrity;
  readonly #arena: Arena;
  readonly #stride: number;
  readonly #seen: Uint8Array; // by tag

  constructor(spec: QueueSpec, shape: CheckedIntegrity, iod: Int32Array) {
    super(spec, iod);
    this.#iod = iod;
    this.#shape = shape;
    this.#stride = Math.ceil(((spec.maxIoBytes / shape.intervalBytes) * shape.metadataBytes) / PAGE_SIZE) * PAGE_SIZE;
    this.#seen = new Uint8Array(spec.depth);
    this.#arena = Arena.allocate(spec.depth * this.#stride, { noHugePages: true });
  }

  override get delivers(): boolean {
    return true;
  }

  override get mappings(): readonly { address: number; length: number }[] {
    return [...super.mappings, { address: this.#arena.address, length: this.#arena.length }];
  }

  override metadata(tag: number, done: number): RequestMetadata | undefined {
    const length = this.#lengthOf(tag);
    if (length === 0) return undefined;
    const bytes = this.#see(tag, length);
    return new RequestMetadata(bytes.subarray((done * 512 * this.#shape.metadataBytes) / this.#shape.intervalBytes), this.#shape);
  }

  override deliver(tag: number, op: number, result: number): void {
    const length = op === Op.READ && result > 0 ? this.#lengthOf(tag) : 0;
    // What was never filled is zeros, or the client would get whatever the kernel had in that memory.
    const bytes = length === 0 ? undefined : this.#see(tag, length);
    this.#seen[tag] = UNSEEN;
    if (bytes !== undefined) this.copies!.giveMetadata(tag, bytes);
    if (this.memory !== undefined) super.deliver(tag, op, result);
  }

  override dispose(inUse: boolean): void {
    super.dispose(inUse);
    if (inUse) this.#arena.abandon();
    else this.#arena.dispose();
  }

  #see(tag: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#arena.bytes(tag * this.#stride, length);
    if (this.#seen[tag] === UNSEEN) {
      if ((this.#iod[tag * DESCRIPTOR_WORDS]! & 0xff) === Op.READ) bytes.fill(0);
      else this.copies!.takeMetadata(tag, bytes);
      this.#seen[tag] = SEEN;
    }
    return bytes;
  }

  #lengthOf(tag: number): number {
    const at = tag * DESCRIPTOR_WORDS;
    if ((this.#iod[at]! & UBLK_IO_F_INTEGRITY) === 0) return 0;
    return ((this.#iod[at + 1]! * 512) / this.#shape.intervalBytes) * this.#shape.metadataBytes;
  }
}
