import { join64 } from "../ffi/index.ts";
import { Op } from "./op.ts";
import type { UblkQueue } from "./queue.ts";
import { DESCRIPTOR_WORDS } from "./request.ts";
import { isOpen } from "./tag-states.ts";
import type { TagTable } from "./tag-table.ts";

/** Requests that have been open for too long: how many, and the oldest of them. */
export interface SlowReport {
  readonly requests: number;
  /** For how long the oldest has been open, since its handler last left it so. */
  readonly ms: number;
  readonly op: number;
  readonly offset: number;
  readonly length: number;
}

/** Finds requests of a queue that are open for longer than they may be. Each is told of once for every time that it was left open. */
export class SlowRequests {
  readonly #tags: TagTable;
  readonly #iod: Int32Array;
  readonly #told: Float64Array; // of each tag: since when the request was open that was told of last

  constructor({ tags, descriptors }: Pick<UblkQueue, "tags" | "descriptors">) {
    this.#tags = tags;
    this.#iod = descriptors.words();
    this.#told = new Float64Array(tags.states.length);
  }

  /** Those that have become slow since the last look. */
  find(limitMs: number): SlowReport | undefined {
    const { closed, states, since: times } = this.#tags;
    if (closed) return undefined;
    const now = performance.now();
    let requests = 0;
    let oldest = -1;
    for (let tag = 0; tag < states.length; tag++) {
      const since = times[tag]!;
      if (!isOpen(states[tag]!) || now - since < limitMs || this.#told[tag] === since) continue;
      this.#told[tag] = since;
      requests++;
      if (oldest < 0 || since < times[oldest]!) oldest = tag;
    }
    return oldest < 0 ? undefined : { requests, ms: now - times[oldest]!, ...this.#describe(oldest) };
  }

  #describe(tag: number): { op: number; offset: number; length: number } {
    const iod = this.#iod;
    const at = tag * DESCRIPTOR_WORDS;
    const op = iod[at]! & 0xff;
    if (op === Op.FLUSH) return { op, length: 0, offset: 0 }; // it has no place, and the kernel says -1
    const sectors = op === Op.REPORT_ZONES ? 0 : iod[at + 1]! >>> 0; // a report has zones
    return { op, length: sectors * 512, offset: join64(iod[at + 2]!, iod[at + 3]!) * 512 };
  }
}
