import { Op, type RequestTarget, type UblkQueue, type UblkRequest } from "../../ublk/index.ts";
import { GOES_ON } from "../files/work.ts";
import { Zeros } from "../files/zeros.ts";
import { Layout } from "./layout.ts";
import type { StripeShared } from "./open.ts";
import { Vectors } from "./vectors.ts";
import { StripedFile } from "./work.ts";

/** Serves requests from several files: one operation at a time on each that a request touches. It ends when all of them have. */
export class StripeRequests implements RequestTarget {
  readonly ops: { flush: boolean; discard: boolean; writeZeroes: boolean };
  private readonly files: readonly StripedFile[];
  private readonly layout: Layout;
  private readonly running: Uint8Array; // files that a request still works on, by tag
  private readonly failed: Int32Array; // the first errno of one
  readonly #queue: UblkQueue;
  readonly #vectors: Vectors;
  readonly #zeros = new Zeros();

  constructor(queue: UblkQueue, shared: StripeShared) {
    const { depth, maxIoBytes } = queue.spec;
    const { files, chunk } = shared;
    this.#queue = queue;
    this.layout = new Layout(files.length, chunk);
    // A request that does not begin with a chunk touches one more.
    this.#vectors = new Vectors(depth * files.length, Math.ceil(maxIoBytes / this.layout.row) + 1);
    this.files = files.map((_, i) => new StripedFile(queue, shared, i, this.layout, this.#vectors, this.#zeros));
    this.running = new Uint8Array(depth);
    this.failed = new Int32Array(depth);
    this.ops = { flush: true, discard: shared.discard, writeZeroes: true };
  }

  handle(request: UblkRequest): void {
    const { tag, op, offset } = request;
    const end = offset + request.length;
    this.failed[tag] = 0;
    this.running[tag] = 0;
    for (let i = 0; i < this.files.length; i++) {
      const from = this.layout.before(offset, i);
      const length = this.layout.before(end, i) - from;
      if (length > 0 || op === Op.FLUSH) this.heard(tag, this.files[i]!.begin(request, from, length));
    }
    this.endIfThrough(request);
  }

  completed(request: UblkRequest, result: number, member: number): void {
    this.running[request.tag]!--;
    this.heard(request.tag, this.files[member]!.completed(request, result));
    this.endIfThrough(request);
  }

  detach(): void {
    const { abandoned } = this.#queue;
    this.#vectors.free(abandoned);
    this.#zeros.free(abandoned);
  }

  private heard(tag: number, result: number): void {
    if (result === GOES_ON) this.running[tag]!++;
    else if (result < 0 && this.failed[tag] === 0) this.failed[tag] = result;
  }

  private endIfThrough(request: UblkRequest): void {
    const { tag } = request;
    if (this.running[tag]! > 0) return;
    if (this.failed[tag] === 0) request.complete();
    else request.fail(this.failed[tag]!);
  }
}
