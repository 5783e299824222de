import { BatchCommands, type BatchParts } from "./batch-commands.ts";
import { type QueueCommands, TagCommands } from "./tag-commands.ts";

/** What writes a queue's commands: one of the two. */
export interface ChosenCommands {
  readonly commands: QueueCommands;
  /** Each tag has a command of its own. */
  readonly single: TagCommands | undefined;
  /** Requests come and go in batches. */
  readonly batch: BatchCommands | undefined;
}

/** What writes the commands of a queue, the way its device was made for. It takes the ring's permanent SQEs. */
export function commandsOf(parts: BatchParts): ChosenCommands {
  const { raw, spec, buffers, queue } = parts;
  if (spec.batch) {
    const batch = new BatchCommands(parts);
    return { commands: batch, single: undefined, batch };
  }
  const single = new TagCommands(raw, spec, buffers);
  raw.allocateTemplates(queue);
  return { commands: single, single, batch: undefined };
}
