import { checkAttachment } from "./inline.ts";
import { capabilitiesOf, handlerOf } from "./methods.ts";
import { UblkQueue } from "./queue.ts";
import type { QueueResources, QueueSpec } from "./queue-spec.ts";
import type { Attachment, TargetDefinition } from "./target.ts";
import type { QueueThread, ThreadEvents } from "./thread.ts";

/** Serves a queue on the calling thread, from its event loop. */
export async function localThread(spec: QueueSpec, target: TargetDefinition, shared: unknown, events: ThreadEvents): Promise<QueueThread> {
  let close!: () => void;
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  let attachment: Attachment | undefined;
  const shut = (): void => {
    if (queue.closed) return;
    queue.close();
    try {
      attachment?.detach?.();
    } catch (error) {
      events.fatal(error instanceof Error ? error : new Error(String(error)));
    }
    close();
  };
  const queue: UblkQueue = new UblkQueue(spec, {
    requestError: events.requestError,
    failed: (error) => events.fatal(error),
    broken: (error) => events.died(error),
    // Not from inside the reap that brought the last tag: the ring is in use there.
    drained: () => setImmediate(shut),
  });
  try {
    attachment = checkAttachment(await target.attach(queue, shared));
  } catch (error) {
    queue.close();
    throw error;
  }
  return {
    queue: spec.queue,
    capabilities: capabilitiesOf(attachment),
    closed,
    get isClosed() {
      return queue.closed;
    },
    start: () => queue.start(handlerOf(attachment, queue)),
    answers: async () => true, // or nobody would have asked
    refuse: (ms) => queue.refuse(ms),
    abort: shut,
    get resources(): QueueResources {
      return queue.closed ? { fds: [], mappings: [] } : queue.resources;
    },
  };
}
