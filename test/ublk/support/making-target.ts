/** A disk whose program comes to its end a time after the target was opened, which is right before ADD_DEV. */
import { type Attachment, defineTarget } from "uring-ublk";

export interface MakingOptions {
  /** `"exit"`, or the signal that the process sends to itself. */
  readonly how: string;
  /** Milliseconds, or `"microtask"`. */
  readonly after: string;
  /** The target never gets done with attaching. */
  readonly never: boolean;
}

export default defineTarget({
  open({ how, after, never }: MakingOptions) {
    const end = (): void => {
      if (how === "exit") process.exit(7);
      process.kill(process.pid, how);
    };
    if (after === "microtask") queueMicrotask(end);
    else setTimeout(end, Number(after));
    return { size: 2 ** 20, shared: never };
  },
  attach: (_queue, never): Attachment | Promise<Attachment> => (never ? new Promise(() => {}) : { read: () => {} }),
});
