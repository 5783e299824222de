import { type Driver, type RawRing, type TemplateHandler, abi as uring } from "../uring/index.ts";
import { UBLK_U_IO_PREP_IO_CMDS } from "./abi.ts";
import { BatchCommits } from "./batch-commits.ts";
import { BatchElements } from "./batch-elements.ts";
import { BatchFetch } from "./batch-fetch.ts";
import { traceBatches } from "./batch-trace.ts";
import { UblkError } from "./error.ts";
import type { QueueEvents, QueueSpec } from "./queue-spec.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import { CHAR_FILE, type QueueCommands } from "./tag-commands.ts";

/** What {@link BatchCommands} consult. */
export interface BatchParts {
  readonly raw: RawRing;
  readonly driver: Driver;
  readonly spec: QueueSpec;
  readonly buffers: TagBuffers;
  /** The mapped descriptors of the tags. */
  readonly iod: Int32Array;
  readonly events: Pick<QueueEvents, "failed" | "broken">;
  /** What takes the requests, and what the kernel has refused. */
  readonly queue: { completed(result: number, tag: number): void };
  /** Every tag that is committed, or has no request, is dead. */
  readonly dead: () => void;
}

/**
 * The commands of a queue whose device is batched (`UBLK_F_BATCH_IO`, 7.0): PREP_IO_CMDS for all tags at once, one FETCH_IO_CMDS that brings
 * requests by the list, and commits by the list. It takes the place of {@link TagCommands}.
 *
 * Permanent SQEs and their slots: a commit alone for every tag, and then those of several.
 */
export class BatchCommands implements QueueCommands {
  declare private readonly commits: BatchCommits;
  private over = false; // no request comes any more
  readonly #parts: BatchParts;
  readonly #elements: BatchElements;
  readonly #fetch: BatchFetch;
  readonly #prep: number;
  readonly #marker: number;
  #committed = false; // something since the marker

  /** `take`: takes the ring's permanent SQEs, before any other slot is taken. */
  constructor(parts: BatchParts, take: (commits: TemplateHandler) => void) {
    const { raw, spec, buffers, queue } = parts;
    this.#parts = parts;
    take(this);
    this.#elements = new BatchElements(spec, buffers);
    if (buffers.zones !== undefined) buffers.zones.place = (tag, sector) => this.#elements.place(tag, sector);
    try {
      this.commits = new BatchCommits(raw, spec, this.#elements, (tag, errno) => queue.completed(errno, tag));
      this.#fetch = new BatchFetch({ ...parts, over: () => this.#end() });
    } catch (error) {
      this.#elements.dispose();
      throw error;
    }
    this.#prep = raw.allocate((result) => this.#prepared(result));
    this.#marker = raw.allocate(() => this.#marked());
    traceBatches(raw.trace, parts.iod, this.#elements, this.#fetch);
  }

  /** PREP_IO_CMDS of all tags, and then the fetch: a device that is taken over from another server refuses one before. */
  fetchAll(): void {
    const { raw, spec } = this.#parts;
    const { bytes, flags } = this.#elements;
    const address = this.#elements.address(0);
    raw.uringCmd(this.#prep, CHAR_FILE, UBLK_U_IO_PREP_IO_CMDS, address, spec.queue | (flags << 16), spec.depth | (bytes << 16), 0, 0);
    raw.setFlags(uring.IOSQE_FIXED_FILE);
  }

  /** Commits a request, together with all that are committed until the ring enters the kernel. */
  commit(tag: number, result: number): void {
    this.commits.commit(tag, result);
    if (this.over) this.#look();
  }

  /** Repeats a commit that the kernel refused, written anew. */
  repeat(tag: number): void {
    this.commits.repeat(tag);
    if (this.over) this.#look();
  }

  /** A commit's CQE has come. @internal */
  completed(result: number, slot: number): void {
    this.commits.completed(result, slot);
    // What did not go through was queued again.
    this.#parts.driver.kick();
  }

  /** Memory to unmap when the thread died. */
  get mappings(): readonly { address: number; length: number }[] {
    return [this.#elements.mapping, ...this.#fetch.mappings];
  }

  /** Gives the memory back. The ring must be closed. */
  dispose(): void {
    this.#fetch.dispose();
    this.#elements.dispose();
  }

  #prepared(result: number): void {
    const { driver, events, raw, spec } = this.#parts;
    if (raw.closed) return;
    if (result >= 0) {
      this.#fetch.start();
      driver.kick();
      return;
    }
    const subject = `queue ${spec.queue}`;
    events.failed(new UblkError({ command: "PREP_IO_CMDS", device: spec.device, errno: result, subject }));
  }

  // The device stops. Requests that are open may still be committed, and what was committed may still be on its way.
  #end(): void {
    this.over = true;
    this.#look();
  }

  // A NOP comes back behind all commits that were queued before it, and behind what those that failed have to say.
  #look(): void {
    const { driver, raw } = this.#parts;
    this.#committed = true;
    if (raw.inFlightAt(this.#marker)) return;
    this.#committed = false;
    raw.nop(this.#marker);
    driver.kick();
  }

  #marked(): void {
    if (this.#committed) this.#look();
    else this.#parts.dead();
  }
}
