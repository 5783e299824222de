/** A disk whose program comes to its end a time after the target was opened, which is right before ADD_DEV. */
import { readdirSync } from "node:fs";
import { type Attachment, defineTarget } from "uring-ublk";

export interface MakingOptions {
  /** `"exit"`, or the signal that the process sends to itself. */
  readonly how: string;
  /** Milliseconds; `"microtask"`; or `"added"`: the driver has added the device, and this program cannot know it yet. */
  readonly after: string;
  /** The target never gets done with attaching. */
  readonly never: boolean;
}

const devices = (): string[] => readdirSync("/sys/class/ublk-char");

/** Looks for a new device, and leaves its own event loop just enough turns to send ADD_DEV. */
function whenAdded(then: () => void): void {
  const known = devices();
  const look = (): void => {
    for (const until = performance.now() + 100; performance.now() < until; ) {
      if (devices().some((name) => !known.includes(name))) {
        then();
        return;
      }
    }
    setImmediate(look);
  };
  setImmediate(look);
}

export default defineTarget({
  open({ how, after, never }: MakingOptions) {
    const end = (): void => {
      if (how === "exit") process.exit(7);
      process.kill(process.pid, how);
    };
    if (after === "microtask") queueMicrotask(end);
    else if (after === "added") whenAdded(end);
    else setTimeout(end, Number(after));
    return { size: 2 ** 20, shared: never };
  },
  attach: (_queue, never): Attachment | Promise<Attachment> => (never ? new Promise(() => {}) : { read: () => {} }),
});
