import type { UblkQueue } from "./queue.ts";

/** Has a serving thread go by its event loop while something is awaited there: imports, timers and promises do not advance otherwise. */
export async function byTheLoop<T>({ tags, driver }: Pick<UblkQueue, "tags" | "driver">, work: () => Promise<T>): Promise<T> {
  tags.deferred++;
  driver.reconsider();
  try {
    return await work();
  } finally {
    tags.deferred--;
    driver.reconsider();
  }
}
