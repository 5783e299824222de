import { Arena, PROT_READ } from "../ffi/index.ts";
import { Driver, RawRing } from "../uring/index.ts";
import { powerOfTwo } from "../uring/setup.ts";
import { permanentSqes } from "./buffer-commands.ts";
import { descriptorMap } from "./descriptor-map.ts";
import type { QueueEvents, QueueResources, QueueSpec } from "./queue-spec.ts";
import { TagBuffers } from "./tag-buffers.ts";
import { CHAR_FILE } from "./tag-commands.ts";
import { MetadataBuffers } from "./tag-metadata.ts";
import { traceQueue } from "./trace.ts";

const SPARE_SLOTS = 32;

/** The most slots a ring can have: its CQ's limit. */
export const SLOTS_MAX = 65536;

/** Slots that a queue's ring needs: tags, their operations, registrations by hand, and some for the thread. */
export function slotsOf({ depth, members, mode, batch }: Pick<QueueSpec, "depth" | "members" | "mode" | "batch">): number {
  return permanentSqes({ depth, mode, batch }) + depth * members + SPARE_SLOTS * 2;
}

/** What a queue holds of the kernel. */
export interface QueueParts {
  /** The ring, with the char device in its file table and room for the tags' pages in its buffer table. */
  readonly raw: RawRing;
  readonly driver: Driver;
  /** The mapped descriptors of the tags. */
  readonly descriptors: Arena;
  readonly buffers: TagBuffers;
}

/** Opens the ring of a queue and what belongs to it. Whatever fails leaves nothing open. */
export function openQueue(spec: QueueSpec, awaiting: () => boolean): QueueParts {
  const raw = openRing(spec);
  let buffers: TagBuffers | undefined;
  let descriptors: Arena | undefined;
  try {
    // Where it starts and how long it is must be right: anything else silently maps another queue, or fails.
    const { offset, length } = descriptorMap(spec, spec.queue);
    descriptors = Arena.map(spec.charFd, offset, length, PROT_READ);
    const { integrity } = spec;
    const iod = descriptors.words();
    buffers = integrity === undefined ? new TagBuffers(spec, iod) : new MetadataBuffers(spec, integrity, iod);
    raw.register.sparseFiles(1);
    raw.register.updateFiles(CHAR_FILE, [spec.charFd]);
    if (buffers.tableSlots > 0) raw.register.sparseBuffers(buffers.tableSlots);
    traceQueue(raw.trace, descriptors.words(), spec.depth);
    // A batched queue counts the lists of commits that it sends into its waits: one that the kernel refused is seen with the pulse.
    const driver = new Driver(raw, { serving: spec.serving, synchronous: spec.synchronous, pulse: spec.batch, awaiting });
    return { raw, driver, descriptors, buffers };
  } catch (error) {
    raw.close();
    buffers?.dispose(false);
    descriptors?.dispose();
    throw error;
  }
}

/** Closes and unmaps what {@link openQueue} opened, for a queue that is not to be: nothing was submitted. */
export function closeParts({ raw, driver, descriptors, buffers }: QueueParts): void {
  driver.close();
  raw.close();
  buffers.dispose(false);
  descriptors.dispose();
}

/** Has failures of the ring told, and what its handlers throw, unless `isBlamed` has found the request whose failure that is. */
export function listenTo(raw: RawRing, events: QueueEvents, isBlamed: (error: unknown) => boolean): void {
  const ringFailed = raw.onFailure;
  raw.onFailure = (error) => {
    ringFailed?.(error);
    events.broken(error);
  };
  raw.onHandlerError = (error) => {
    if (!isBlamed(error)) events.failed(error instanceof Error ? error : new Error(String(error)));
  };
}

/** What another thread must close and unmap when the one that serves has died. */
export function resourcesOf(
  { raw, driver, descriptors, buffers }: QueueParts,
  batch: { readonly mappings: QueueResources["mappings"] } | undefined,
): QueueResources {
  const { address, length } = descriptors;
  const mappings = [{ address, length }, ...buffers.mappings, ...(batch?.mappings ?? []), ...raw.mappings];
  return { fds: [raw.fd, driver.eventfd], mappings };
}

function openRing(spec: QueueSpec): RawRing {
  const { depth, members } = spec;
  const templates = permanentSqes(spec);
  const ordinary = Math.min(depth * members, 4096) + SPARE_SLOTS;
  const entries = Math.min(powerOfTwo(templates + ordinary), 32768);
  const cqEntries = Math.min(Math.max(powerOfTwo(slotsOf(spec)), entries), SLOTS_MAX);
  return new RawRing({ entries, cqEntries, sqArray: true }, { templates });
}
