import { high32 } from "../ffi/index.ts";
import { abi as io, type RawRing } from "../uring/index.ts";
import { UBLK_U_IO_COMMIT_IO_CMDS } from "./abi.ts";
import { type BatchElements, GATHERED } from "./batch-elements.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { writeCommand } from "./tag-commands.ts";

// Words of an SQE; struct ublk_batch_io starts at word 12.
const ADDRESS = 4;
const BATCH_IO = 12; // queue, flags
const COUNT = 13; // elements, and bytes in each

/**
 * The commits of a batched queue (COMMIT_IO_CMDS): all that are made until the ring enters the kernel go out in one command.
 *
 * Every tag has a permanent SQE that commits it alone, and posts a CQE only if it fails: one that succeeds must not end the wait for
 * requests, which goes out with it. A tag is committed again only when its next request has come, so its element is free then. The second
 * commit puts an SQE for several in that one's place, which has a list of elements; that one always posts a CQE: it may stop half-way.
 */
export class BatchCommits {
  declare private readonly raw: RawRing;
  /** The SQE array of the ring. */
  declare private readonly words: Int32Array;
  declare private readonly sqeShift: number;
  declare private readonly elements: Int32Array;
  declare private readonly shift: number; // words in an element
  declare private readonly depth: number;
  declare private readonly size: number; // bytes in an element, as the SQE has it
  declare private readonly tags: Uint16Array; // of the lists
  declare private readonly counts: Uint16Array; // elements in each list
  private place = -1; // of the latest commit in the SQ
  private first = 0; // its tag, while it is alone
  private open = -1; // its list
  readonly #spec: QueueSpec;
  readonly #batch: BatchElements;
  readonly #read = new Uint8Array(GATHERED); // 1: its list is being gone through
  readonly #refused: (tag: number, errno: number) => void;

  constructor(raw: RawRing, spec: QueueSpec, elements: BatchElements, refused: (tag: number, errno: number) => void) {
    this.raw = raw;
    this.words = raw.words;
    this.sqeShift = raw.sqeShift;
    this.elements = elements.words;
    this.shift = elements.shift;
    this.depth = spec.depth;
    this.size = elements.bytes << 16;
    this.tags = new Uint16Array(GATHERED * spec.depth);
    this.counts = new Uint16Array(GATHERED);
    this.#spec = spec;
    this.#batch = elements;
    this.#refused = refused;
    for (let tag = 0; tag < spec.depth; tag++) this.#writeAlone(tag);
    for (let list = 0; list < GATHERED; list++) this.#writeList(list);
  }

  /** Commits a tag's request, with the next enter. */
  commit(tag: number, result: number): void {
    this.elements[(tag << this.shift) + 1] = result;
    this.queue(tag);
  }

  /** Writes all of a tag's commit anew but its result, and repeats it. */
  repeat(tag: number): void {
    this.#batch.write(tag);
    this.#writeAlone(tag);
    this.raw.armQuietTemplate(tag);
  }

  /** A commit's CQE has come: of a tag alone, or of a list. */
  completed(result: number, slot: number): void {
    if (slot < this.depth) {
      this.raw.quietTemplateFailed();
      this.#refused(slot, result);
    } else {
      const list = slot - this.depth;
      if (result !== this.counts[list]! * this.#batch.bytes) this.#goOn(list, result);
    }
  }

  private queue(tag: number): void {
    const { raw } = this;
    if (((raw.takenInAll - this.place) | 0) <= 0) this.gather(tag);
    else {
      this.place = raw.queuedInAll;
      this.first = tag;
      this.open = -1;
      raw.armQuietTemplate(tag);
    }
  }

  // The kernel has not seen the latest commit yet: it takes this one along.
  private gather(tag: number): void {
    if (this.open < 0) this.#openList();
    if (this.open < 0) this.raw.armQuietTemplate(tag);
    else this.append(this.open, tag);
  }

  private append(list: number, tag: number): void {
    const { depth, elements, shift, words } = this;
    const count = this.counts[list]!;
    const from = tag << shift;
    const to = ((1 + list) * depth + count) << shift;
    elements[to] = elements[from]!;
    elements[to + 1] = elements[from + 1]!;
    if (shift === 2) {
      elements[to + 2] = elements[from + 2]!;
      elements[to + 3] = elements[from + 3]!;
    }
    this.tags[list * depth + count] = tag;
    this.counts[list] = count + 1;
    words[((depth + list) << this.sqeShift) + COUNT] = (count + 1) | this.size;
  }

  // With the commit that was alone so far as its first element.
  #openList(): void {
    for (let list = 0; list < GATHERED; list++) {
      const slot = this.depth + list;
      if (this.raw.inFlightAt(slot) || this.#read[list] === 1) continue;
      this.counts[list] = 0;
      this.append(list, this.first);
      this.raw.exchangeQuiet(this.place, slot);
      this.open = list;
      return;
    }
  }

  // The kernel stopped at an element, and has not looked at what is behind it. Why is told only of the first one: so that one goes alone.
  #goOn(list: number, result: number): void {
    const done = result < 0 ? 0 : Math.floor(result / this.#batch.bytes);
    this.#read[list] = 1;
    this.#writeList(list);
    for (let at = done; at < this.counts[list]!; at++) {
      const tag = this.tags[list * this.depth + at]!;
      if (at > done) this.queue(tag);
      else if (result < 0) this.#refused(tag, result);
      else this.raw.armQuietTemplate(tag);
    }
    this.#read[list] = 0;
  }

  #writeAlone(tag: number): void {
    this.#write(tag, tag, io.IOSQE_CQE_SKIP_SUCCESS);
    this.words[(tag << this.sqeShift) + COUNT] = 1 | this.size;
  }

  #writeList(list: number): void {
    this.#write(this.depth + list, this.#batch.listAt(list), 0);
  }

  #write(slot: number, element: number, flags: number): void {
    const { words } = this;
    const at = writeCommand(this.raw, slot, UBLK_U_IO_COMMIT_IO_CMDS, flags);
    const address = this.#batch.address(element);
    words[at + ADDRESS] = address;
    words[at + ADDRESS + 1] = high32(address);
    words[at + BATCH_IO] = this.#spec.queue | (this.#batch.flags << 16);
  }
}
