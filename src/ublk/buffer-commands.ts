import { abi as io, type RawRing, type TemplateHandler } from "../uring/index.ts";
import { UBLK_U_IO_REGISTER_IO_BUF, UBLK_U_IO_UNREGISTER_IO_BUF } from "./abi.ts";
import { GATHERED } from "./batch-elements.ts";
import { lendsPages } from "./data-mode.ts";
import type { QueueSpec } from "./queue-spec.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import { writeCommand } from "./tag-commands.ts";

// Words of an SQE; struct ublksrv_io_cmd starts at word 12.
const IO_CMD = 12;
const TABLE_SLOT = 14;

/** Permanent SQEs of a queue's ring that commit: one for each tag, and, batched, those that commit several. */
const committing = ({ depth, batch }: Pick<QueueSpec, "depth" | "batch">): number => depth + (batch ? GATHERED : 0);

/** Permanent SQEs of a queue's ring: those that commit, and behind them, where pages are lent, {@link BufferCommands}. */
export const permanentSqes = (spec: Pick<QueueSpec, "depth" | "mode" | "batch">): number =>
  committing(spec) + (lendsPages(spec.mode) ? 2 * spec.depth : 0);

/** What {@link BufferCommands} tell. */
export interface BufferEvents {
  /** REGISTER_IO_BUF of a tag has completed. */
  registered(tag: number, result: number): void;
  /** UNREGISTER_IO_BUF of a tag was refused. */
  notReleased(tag: number, errno: number): void;
}

/**
 * REGISTER_IO_BUF and UNREGISTER_IO_BUF of a queue whose mode lends pages: two permanent SQEs for every tag.
 *
 * The second posts a CQE only if it fails: one that succeeds must not end the wait for requests, which goes out with it.
 */
export class BufferCommands implements TemplateHandler {
  /** Who is told. */
  events: BufferEvents | undefined;
  /** The SQE array of the ring. */
  declare private readonly words: Int32Array;
  declare private readonly shift: number;
  declare private readonly raw: RawRing;
  declare private readonly commits: TemplateHandler;
  declare private readonly first: number; // slot of the first REGISTER_IO_BUF
  declare private readonly depth: number;

  constructor(raw: RawRing, spec: QueueSpec, buffers: TagBuffers, commits: TemplateHandler) {
    this.raw = raw;
    this.words = raw.words;
    this.shift = raw.sqeShift;
    this.commits = commits;
    this.first = committing(spec);
    this.depth = spec.depth;
    for (let tag = 0; tag < spec.depth; tag++) {
      const { first, depth } = this;
      const request = spec.queue | (tag << 16);
      this.#write(first + tag, UBLK_U_IO_REGISTER_IO_BUF, 0, request, buffers.handSlot(tag));
      this.#write(first + depth + tag, UBLK_U_IO_UNREGISTER_IO_BUF, io.IOSQE_CQE_SKIP_SUCCESS, request, buffers.handSlot(tag));
    }
  }

  /** Queues REGISTER_IO_BUF. With `link`, what is queued next does not begin before, nor if it fails. */
  register(tag: number, link = 0): void {
    const slot = this.first + tag;
    this.words[slot << this.shift] = io.IORING_OP_URING_CMD | ((io.IOSQE_FIXED_FILE | link) << 8);
    this.raw.armTemplate(slot);
  }

  /** Queues UNREGISTER_IO_BUF. */
  unregister(tag: number): void {
    this.raw.armQuietTemplate(this.first + this.depth + tag);
  }

  /** A CQE of any permanent SQE. @internal */
  completed(result: number, slot: number): void {
    if (slot < this.first) this.commits.completed(result, slot);
    else if (slot < this.first + this.depth) this.events!.registered(slot - this.first, result);
    else {
      this.raw.quietTemplateFailed();
      this.events!.notReleased(slot - this.first - this.depth, result);
    }
  }

  #write(slot: number, command: number, flags: number, request: number, tableSlot: number): void {
    const at = writeCommand(this.raw, slot, command, flags);
    this.words[at + IO_CMD] = request;
    this.words[at + TABLE_SLOT] = tableSlot;
  }
}
