import type { RequestTarget, UblkQueue, UblkRequest } from "../../ublk/index.ts";
import type { FilesShared } from "../files/measure.ts";
import { FileWork, GOES_ON } from "../files/work.ts";
import { Zeros } from "../files/zeros.ts";

/** Serves requests from one file: what happens to the file happens to the request. */
export class LoopRequests implements RequestTarget {
  readonly ops: { flush: boolean; discard: boolean; writeZeroes: boolean };
  private readonly file: FileWork;
  readonly #queue: UblkQueue;
  readonly #zeros = new Zeros();

  constructor(queue: UblkQueue, shared: FilesShared) {
    this.#queue = queue;
    this.file = new FileWork(queue, shared.files[0]!, 0, shared, this.#zeros);
    this.ops = { flush: true, discard: shared.discard, writeZeroes: true };
  }

  handle(request: UblkRequest): void {
    this.end(request, this.file.begin(request, request.offset, request.length));
  }

  completed(request: UblkRequest, result: number): void {
    this.end(request, this.file.completed(request, result));
  }

  detach(): void {
    this.#zeros.free(this.#queue.abandoned);
  }

  private end(request: UblkRequest, result: number): void {
    if (result === GOES_ON) return;
    if (result < 0) request.fail(result);
    else request.complete();
  }
}
