import type { Arena } from "../ffi/index.ts";
import type { QueueSpec } from "./queue-spec.ts";
import { allocateTags } from "./tag-memory.ts";

/**
 * Memory for the data of tags that several threads have in common: those of a batched queue. The kernel puts a request's data where the last
 * commit of its tag said, and hands the request to whichever thread fetches. So this memory belongs to the device, and outlives each thread.
 */
export class CommonMemory {
  readonly #arenas: Arena[] = [];

  /** Memory for one queue's tags, if it needs such. */
  allocate(spec: Pick<QueueSpec, "batch" | "threads" | "mode" | "depth" | "maxIoBytes">): QueueSpec["commonMemory"] {
    if (!spec.batch || spec.threads === 1 || spec.mode !== "copy") return undefined; // otherwise no thread needs what another was given
    const arena = allocateTags(spec.depth, spec);
    this.#arenas.push(arena);
    const { address, length } = arena;
    return { address, length };
  }

  /** Gives it all back, or leaves it mapped where a thread still runs that uses it. Twice is fine. */
  free(inUse: boolean): void {
    for (const arena of this.#arenas.splice(0)) {
      if (inUse) arena.abandon();
      else arena.dispose();
    }
  }
}
