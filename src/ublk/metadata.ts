import { type CheckedIntegrity, TUPLE_BYTES } from "./integrity.ts";

/** A tuple of protection information. */
export interface Tuple {
  /** The checksum of the interval's data: 16 bits, 64 with `"crc64-nvme"`. */
  readonly guard: bigint;
  /** The application's tag, 16 bits. 0xffff: nothing of the tuple is to be checked. */
  readonly appTag: number;
  /** Where the data belongs: the number of its interval on the disk, its lower 32 bits; 48 with `"crc64-nvme"`. */
  readonly refTag: number;
}

/**
 * The metadata of a request: so many bytes for each interval of its data, with a tuple of protection information in them, unless the checksum
 * is `"none"`. Of a WRITE it is the client's; of a READ it is zeros, to be filled. Valid until the request is finished.
 */
export class RequestMetadata {
  /** All of it, one interval's behind the other's. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many intervals the request has. */
  readonly intervals: number;
  readonly #view: DataView<ArrayBuffer>;
  readonly #shape: CheckedIntegrity;

  /** @internal */
  constructor(bytes: Uint8Array<ArrayBuffer>, shape: CheckedIntegrity) {
    this.bytes = bytes;
    this.intervals = bytes.length / shape.metadataBytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#shape = shape;
  }

  /** The tuple of an interval. */
  tuple(interval: number): Tuple {
    const at = this.#at(interval);
    const view = this.#view;
    if (TUPLE_BYTES[this.#shape.checksum] === 16) {
      const refTag = view.getUint16(at + 10) * 2 ** 32 + view.getUint32(at + 12);
      return { guard: view.getBigUint64(at), appTag: view.getUint16(at + 8), refTag };
    }
    return { guard: BigInt(view.getUint16(at)), appTag: view.getUint16(at + 2), refTag: view.getUint32(at + 4) };
  }

  /** Sets the tuple of an interval. */
  setTuple(interval: number, { guard, appTag, refTag }: Tuple): void {
    const at = this.#at(interval);
    const view = this.#view;
    if (TUPLE_BYTES[this.#shape.checksum] === 16) {
      view.setBigUint64(at, guard);
      view.setUint16(at + 8, appTag);
      view.setUint16(at + 10, Math.floor(refTag / 2 ** 32));
      view.setUint32(at + 12, refTag % 2 ** 32);
    } else {
      view.setUint16(at, Number(guard));
      view.setUint16(at + 2, appTag);
      view.setUint32(at + 4, refTag);
    }
  }

  #at(interval: number): number {
    const { checksum, metadataBytes, offset } = this.#shape;
    if (checksum === "none") throw new TypeError("there are no tuples with checksum 'none': use bytes");
    if (!(Number.isInteger(interval) && interval >= 0 && interval < this.intervals))
      throw new RangeError(`interval ${interval} lies outside the request, which has ${this.intervals}`);
    return interval * metadataBytes + offset;
  }
}
