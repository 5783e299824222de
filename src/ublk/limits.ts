import { errnoName } from "../ffi/index.ts";
import { UblkError } from "./error.ts";

const ETIMEDOUT = -110;

/** The longest time a timer can wait; a longer one would fire at once. */
export const TIMER_MAX = 2 ** 31 - 1;

/** Rejects when a promise takes too long. The promise itself goes on. */
export async function withLimit<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: Timer | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new UblkError({ command: "stop", errno: ETIMEDOUT, hint: `${what} within ${ms} ms (${errnoName(ETIMEDOUT)})` })),
      ms,
    );
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
