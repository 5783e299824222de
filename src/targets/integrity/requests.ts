import { addressOf } from "../../ffi/index.ts";
import { Op, type RequestMetadata, type RequestTarget, type UblkQueue, type UblkRequest } from "../../ublk/index.ts";
import { FileWork, GOES_ON } from "../files/work.ts";
import { Zeros } from "../files/zeros.ts";

const DATA = 0;
const METADATA = 1;
const EIO = -5;

/** What the serving threads of such a disk share. */
export interface IntegrityShared {
  readonly fd: number;
  readonly metadataFd: number;
  readonly blockSize: number;
  /** Bytes of metadata for each block. */
  readonly tuple: number;
}

/**
 * Serves a file whose blocks have tuples in another: data and metadata of a request move side by side, each by operations of the ring, and the
 * request ends when both have. In the file tuples are inverted: what was never written, or is given back, reads as tuples that nobody checks.
 */
export class IntegrityRequests implements RequestTarget {
  readonly ops = { flush: true, discard: true, writeZeroes: true };
  readonly #queue: UblkQueue;
  readonly #shared: IntegrityShared;
  readonly #data: FileWork;
  readonly #metadataFile: FileWork;
  readonly #zeros = new Zeros();
  readonly #left: Uint8Array; // parts of a request that go on, by tag, as the following
  readonly #failed: Int32Array;
  readonly #metadata: (RequestMetadata | undefined)[];

  constructor(queue: UblkQueue, shared: IntegrityShared) {
    const { blockSize, fd, metadataFd } = shared;
    this.#queue = queue;
    this.#shared = shared;
    const file = (path: string, of: number, member: number): FileWork =>
      new FileWork(queue, { path, fd: of, direct: false, device: false }, member, { blockSize }, this.#zeros);
    this.#data = file("data", fd, DATA);
    this.#metadataFile = file("metadata", metadataFd, METADATA);
    this.#left = new Uint8Array(queue.spec.depth);
    this.#failed = new Int32Array(queue.spec.depth);
    this.#metadata = new Array<RequestMetadata | undefined>(queue.spec.depth).fill(undefined);
  }

  handle(request: UblkRequest): void {
    const { length, offset, op, tag } = request;
    this.#failed[tag] = 0;
    this.#left[tag] = 2;
    this.#ended(request, this.#data.begin(request, offset, length));
    if (op === Op.READ || op === Op.WRITE) this.#move(request);
    else if (op === Op.FLUSH) this.#metadataFile.sync(request);
    else this.#forget(request);
  }

  completed(request: UblkRequest, result: number, member: number): void {
    const { op, tag } = request;
    if (member === DATA) this.#ended(request, this.#data.completed(request, result));
    else if (op > Op.WRITE || this.#metadata[tag] === undefined) this.#ended(request, this.#metadataFile.completed(request, result));
    else this.#moved(request, result, this.#metadata[tag]);
  }

  detach(): void {
    this.#zeros.free(this.#queue.abandoned);
  }

  #place(offset: number): number {
    return (offset / this.#shared.blockSize) * this.#shared.tuple;
  }

  #move(request: UblkRequest): void {
    const { metadata, offset, op, tag } = request;
    this.#metadata[tag] = metadata;
    if (metadata === undefined) {
      // The client does not check what it reads, and what it writes nobody can.
      if (op === Op.READ) this.#ended(request, 0);
      else this.#forget(request);
      return;
    }
    const { bytes } = metadata;
    const { metadataFd } = this.#shared;
    const { raw } = this.#queue;
    const address = addressOf(bytes);
    if (op === Op.WRITE) {
      invert(bytes);
      raw.write(request.member(METADATA), metadataFd, address, bytes.length, this.#place(offset), 0);
    } else raw.read(request.member(METADATA), metadataFd, address, bytes.length, this.#place(offset), 0);
  }

  #moved(request: UblkRequest, result: number, { bytes }: RequestMetadata): void {
    if (request.op === Op.READ) invert(bytes);
    this.#ended(request, result === bytes.length ? 0 : result < 0 ? result : EIO);
  }

  #forget(request: UblkRequest): void {
    this.#metadataFile.zeroRange(request, this.#place(request.offset), this.#place(request.length));
  }

  #ended(request: UblkRequest, result: number): void {
    if (result === GOES_ON) return;
    const { tag } = request;
    if (result < 0) this.#failed[tag] = result;
    if (--this.#left[tag]! > 0) return;
    this.#metadata[tag] = undefined;
    if (this.#failed[tag] === 0) request.complete();
    else request.fail(this.#failed[tag]!);
  }
}

function invert(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at++) bytes[at]! ^= 0xff;
}
