import { IORING_CQE_F_BUFFER } from "./abi.ts";
import type { BufferGroup } from "./buffer-group.ts";
import { UringError } from "./error.ts";
import type { InFlight, Listener } from "./in-flight.ts";
import type { Operation } from "./operation.ts";

/** How the ring starts an operation for a listener; undefined when it refused, and has told the listener so. */
export type Start<Item> = (listener: Listener<Item>) => InFlight<Item> | undefined;

/**
 * A multishot operation as an async iterable. An item's buffer is given back at the next step; leaving the loop cancels the
 * operation and waits for its last CQE.
 *
 * The kernel may end a multishot operation that has not failed, because the CQ was full or the group had no buffer left: it is
 * started again, as soon as there is a buffer. Until then data waits in the socket, and nothing is lost.
 */
export async function* multishot<Item>(
  operation: Operation<unknown>,
  start: Start<Item>,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<Item> {
  const { declaration, options } = operation;
  const { group } = options as { group?: BufferGroup };
  const limit = declaration.shots?.limit?.(options as never) || Number.POSITIVE_INFINITY;
  let given = 0;
  const items: { value: Item; flags: number }[] = [];
  let wake: (() => void) | undefined;
  let running = true;
  let again = false; // ended early: there is more to come
  let failure: { error: unknown } | undefined;
  let flagsOfLast = 0;
  const stir = (): void => {
    wake?.();
    wake = undefined;
  };
  const stirred = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  const listener: Listener<Item> = {
    completion(result, flags, final) {
      flagsOfLast = flags;
      if (!final) return;
      running = false;
      const rule = declaration.shots?.again;
      again = rule === undefined ? result > 0 && (flags & IORING_CQE_F_BUFFER) !== 0 : rule(result, flags, options as never) !== undefined;
    },
    fulfil(value) {
      items.push({ value, flags: flagsOfLast });
      stir();
    },
    reject(error) {
      running = false;
      if (group !== undefined && error instanceof UringError && error.code === "ENOBUFS") again = true;
      else failure = { error };
      stir();
    },
  };
  let flight = start(listener);
  try {
    for (;;) {
      if (given >= limit) return;
      const item = items.shift();
      if (item !== undefined) {
        try {
          // A CQE without a buffer is the end of the stream.
          if (group === undefined || (item.flags & IORING_CQE_F_BUFFER) !== 0) {
            given++;
            yield item.value;
          }
        } finally {
          group?.recycle(item.flags);
        }
      } else if (failure !== undefined) throw failure.error;
      else if (again) {
        if (group !== undefined) await freeOrAborted(group, signal);
        again = false;
        running = true;
        flight = start(listener);
      } else if (!running) return;
      else await stirred();
    }
  } finally {
    if (running) {
      flight?.cancel(new Error("the iteration ended"));
      while (running) await stirred();
    }
    for (const item of items) group?.recycle(item.flags);
  }
}

// A pause has nothing in flight that an abort could cancel.
async function freeOrAborted(group: BufferGroup, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return group.available();
  let stop = (): void => {};
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
  });
  signal.addEventListener("abort", stop, { once: true });
  await Promise.race([group.available(), aborted]);
  signal.removeEventListener("abort", stop);
}
