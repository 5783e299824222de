/** A disk in shared memory whose first serving thread comes to grief once it is under load. */
import { defineTarget } from "uring-ublk";
import { sys } from "uring-ublk/ffi";

/** Ways to fail. */
export type Grief = "none" | "throw" | "rejection" | "exit-in-handler" | "exit-in-timer" | "spin" | "hang" | "await-for-ever";

/** Requests before it happens: enough for the partition scan, and for fio to be at work. */
const AFTER = 400;

/** A descriptor that nothing ever arrives on. */
const emptyPipe = (): number => sys.eventfd(0, 0);

export default defineTarget({
  open: (options: { grief: Grief; synchronous?: boolean; reached: SharedArrayBuffer }) => {
    const data = new SharedArrayBuffer(16 * 2 ** 20);
    return {
      size: data.byteLength,
      synchronous: options.synchronous ?? false,
      shared: { data, grief: options.grief, reached: new Int32Array(options.reached) },
    };
  },
  attach(_queue, { data, grief, reached }) {
    const bytes = new Uint8Array(data);
    let left = AFTER;
    const step = (): void | Promise<void> => {
      if (--left !== 0) return;
      Atomics.store(reached, 0, 1);
      switch (grief) {
        case "throw":
          setTimeout(() => {
            throw new Error("grief: a timer threw");
          }, 5);
          break;
        case "rejection":
          void Promise.reject(new Error("grief: nobody handles this"));
          break;
        case "exit-in-handler":
          process.exit(3);
          break;
        case "exit-in-timer":
          setTimeout(() => process.exit(3), 5);
          break;
        case "spin":
          for (;;) left++;
        case "hang":
          sys.read(emptyPipe(), new Uint8Array(new ArrayBuffer(8)));
          break;
        case "await-for-ever":
          return new Promise(() => {});
      }
    };
    return {
      read: (buffer, offset) => {
        buffer.set(bytes.subarray(offset, offset + buffer.length));
        return step();
      },
      write: (buffer, offset) => {
        bytes.set(buffer, offset);
        return step();
      },
    };
  },
});
