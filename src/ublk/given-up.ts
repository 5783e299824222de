import { UringError } from "../uring/error.ts";

const EINTR = -4;
/** How long a command that was told to stop may take to say so. STOP_DEV and DEL_DEV sleep where no cancel reaches them. */
const CANCEL_GRACE_MS = 1000;

/**
 * Rejects when a command that was told to stop, by the signal, does not. A cancelled command normally ends at once; one that sleeps where
 * no cancel reaches it is left to itself. `stuck` is told of it with 1, and with -1 when it has ended after all.
 */
export function givenUp(signal: AbortSignal, run: Promise<unknown>, stuck: (more: 1 | -1) => void): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener(
      "abort",
      () => {
        let ended = false;
        const end = (): void => {
          ended = true;
        };
        run.then(end, end);
        setTimeout(() => {
          if (ended) return;
          stuck(1);
          run.then(
            () => stuck(-1),
            () => stuck(-1),
          );
          reject(new UringError({ operation: "uringCmd128", errno: EINTR }));
        }, CANCEL_GRACE_MS);
      },
      { once: true },
    );
  });
}
