// biome-ignore-all lint/complexity/useLiteralKeys: the brackets look into the ring past `private`, with its types; what looks on must not be on its path
import { writeSync } from "node:fs";
import { sys } from "../../ffi/index.ts";
import { IORING_CQE_F_32, IORING_OP_NOP128, IORING_OP_URING_CMD128 } from "../abi.ts";
import { FILLER } from "../completion.ts";
import type { RingCore } from "../core.ts";
import { SQ_TAIL, SQE_USER_DATA } from "../submission.ts";
import { describeCqe } from "./cqe.ts";
import { type DescribeCommand, describeSqe, userData } from "./sqe.ts";

/** Adds to a CQE's line what the owner of the ring knows about it, or nothing. */
export type Annotate = (slot: number, result: number, flags: number) => string | undefined;

/**
 * Prints a ring's SQEs when they are handed to the kernel, and its CQEs before they are handled: one line each, on stderr.
 *
 * It takes the place of the ring's own methods, on this one object: a ring that is not traced has nothing of it on its path.
 */
export class RingTrace {
  /** Puts the commands of a driver into words. */
  describeCommand: DescribeCommand | undefined;
  /** Says what a completion brought. */
  annotate: Annotate | undefined;
  readonly #ring: RingCore;
  readonly #label: string;
  readonly #names = new Map<number, string>(); // of each slot's latest operation
  #submitted = 0;

  constructor(ring: RingCore) {
    this.#ring = ring;
    this.#label = `uring-ublk[${sys.gettid()}] ring ${ring.fd}`;
    this.#watch();
  }

  #watch(): void {
    const ring = this.#ring;
    const publish = ring["publish"];
    const taken = ring["taken"];
    const dispatch = ring["dispatch"];
    ring["publish"] = () => {
      this.#printSubmissions();
      return publish.call(ring);
    };
    ring["taken"] = (count) => {
      taken.call(ring, count);
      this.#submitted = ring["counts"][SQ_TAIL]!; // all printed: but with SQ_REWIND, positions start at 0 again
    };
    ring["inPlace"] = -1; // none
    ring["dispatch"] = (slot, generation, result, flags, at) => {
      this.#print([this.#completion(at)]);
      dispatch.call(ring, slot, generation, result, flags, at);
    };
  }

  #printSubmissions(): void {
    const ring = this.#ring;
    const { words } = ring;
    const lines: string[] = [];
    while (this.#submitted !== ring["counts"][SQ_TAIL]!) {
      const at = this.#sqeAt(this.#submitted);
      const opcode = words[at]! & 0xff;
      const slot = words[at + SQE_USER_DATA]!;
      const { name, text } = describeSqe(words, at, this.describeCommand);
      if (slot !== FILLER) this.#names.set(slot, name);
      lines.push(`sqe ${slot === FILLER ? "filler" : userData(words, at + SQE_USER_DATA)} ${name} ${text}`);
      const long = ring.sqeShift === 4 && (opcode === IORING_OP_NOP128 || opcode === IORING_OP_URING_CMD128);
      this.#submitted = (this.#submitted + (long ? 2 : 1)) | 0;
    }
    this.#print(lines);
  }

  // Where the SQE at a place of the queue starts.
  #sqeAt(place: number): number {
    const ring = this.#ring;
    if (ring["rewinds"]) return place << ring.sqeShift;
    const inQueue = place & ring["sqMask"];
    return (ring["indexAt"] < 0 ? inQueue : ring["ring"][ring["indexAt"] + inQueue]!) << ring.sqeShift;
  }

  #completion(at: number): string {
    const ring = this.#ring;
    const words = ring.cqeWords;
    const slot = words[at]!;
    const [result, flags] = [words[at + 2]!, words[at + 3]!];
    const large = ring.record.cqe === "mixed" ? (flags & IORING_CQE_F_32) !== 0 : ring.record.cqe === 32;
    const extra = large ? [...words.subarray(at + 4, at + 8)] : [];
    const note = this.annotate?.(slot, result, flags);
    const of = slot === FILLER ? "filler" : `${userData(words, at)} ${this.#names.get(slot) ?? "message"}`;
    return `cqe ${of} ${describeCqe(result, flags, extra)}${note === undefined ? "" : ` ${note}`}`;
  }

  // At once and as a whole: threads must not print into each other's lines, and what is lost in a crash is what was looked for.
  #print(lines: readonly string[]): void {
    if (lines.length === 0) return;
    let left = Buffer.from(lines.map((line) => `${this.#label} ${line.trimEnd()}\n`).join(""));
    while (left.length > 0) {
      try {
        left = left.subarray(writeSync(2, left));
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") return; // nobody reads it any more
        Bun.sleepSync(1);
      }
    }
  }
}
