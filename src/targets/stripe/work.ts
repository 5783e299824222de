import { Op, type UblkQueue, type UblkRequest } from "../../ublk/index.ts";
import { FileWork } from "../files/work.ts";
import type { Zeros } from "../files/zeros.ts";
import type { Layout } from "./layout.ts";
import type { StripeShared } from "./open.ts";
import type { Vectors } from "./vectors.ts";

/** What the requests of a queue do to one file of a stripe: chunks that follow each other in the file lie apart in the request. */
export class StripedFile extends FileWork {
  private readonly layout: Layout;
  private readonly vectors: Vectors;
  private readonly files: number;

  constructor(queue: UblkQueue, shared: StripeShared, index: number, layout: Layout, vectors: Vectors, zeros: Zeros) {
    super(queue, shared.files[index]!, index, shared, zeros);
    this.layout = layout;
    this.vectors = vectors;
    this.files = shared.files.length;
  }

  protected override move(request: UblkRequest, from: number, done: number, left: number): void {
    const position = from + done;
    const { chunk } = this.layout;
    const at = this.layout.offsetOf(position, this.member) - request.offset;
    const first = chunk - (position % chunk);
    if (left <= first || this.files === 1) this.moveRange(request, position, at, left);
    else this.moveChunks(request, position, at, left);
  }

  // As many chunks as one operation takes: its result is short of the others, and they are next.
  private moveChunks(request: UblkRequest, position: number, at: number, left: number): void {
    const { layout, vectors } = this;
    const row = request.tag * this.files + this.member;
    const gap = layout.row - layout.chunk;
    let base = request.vectorBase + at;
    let part = layout.chunk - (position % layout.chunk);
    let count = 0;
    for (let rest = left; rest > 0 && count < vectors.most; count++) {
      part = Math.min(part, rest);
      vectors.set(row, count, base, part);
      base += part + gap;
      rest -= part;
      part = layout.chunk;
    }
    if (request.op === Op.READ) request.readvFrom(this.fd, position, vectors.address(row), count, this.member);
    else request.writevTo(this.fd, position, vectors.address(row), count, this.flagsOf(request), this.member);
  }
}
