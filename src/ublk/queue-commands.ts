import type { TemplateHandler } from "../uring/index.ts";
import { BatchCommands, type BatchParts } from "./batch-commands.ts";
import { BufferCommands } from "./buffer-commands.ts";
import { lendsPages } from "./data-mode.ts";
import { closeParts, type QueueParts } from "./open-queue.ts";
import { type QueueCommands, TagCommands } from "./tag-commands.ts";

/** What writes a queue's commands: one of the two. */
export interface ChosenCommands {
  readonly commands: QueueCommands;
  /** Each tag has a command of its own. */
  readonly single: TagCommands | undefined;
  /** Requests come and go in batches. */
  readonly batch: BatchCommands | undefined;
  /** Where pages are lent: what registers those that the kernel does not. */
  readonly lending: BufferCommands | undefined;
}

/** What writes the commands of a queue, the way its device was made for. If that fails, nothing of the queue stays open. */
export function commandsOf(parts: BatchParts & QueueParts): ChosenCommands {
  try {
    return chosenFor(parts);
  } catch (error) {
    closeParts(parts);
    throw error;
  }
}

// It takes the ring's permanent SQEs.
function chosenFor(parts: BatchParts): ChosenCommands {
  const { raw, spec, buffers, queue } = parts;
  let lending: BufferCommands | undefined;
  const take = (commits: TemplateHandler): void => {
    if (lendsPages(spec.mode)) lending = new BufferCommands(raw, spec, buffers, commits);
    raw.allocateTemplates(lending ?? commits);
  };
  if (spec.batch) {
    const batch = new BatchCommands(parts, take);
    return { commands: batch, single: undefined, batch, lending };
  }
  take(queue);
  const single = new TagCommands(raw, spec, buffers);
  if (buffers.zones !== undefined) buffers.zones.place = (tag, sector) => single.place(tag, sector);
  return { commands: single, single, batch: undefined, lending };
}
