/** A file as a disk, by plain system calls, that may keep one write for itself: for servers that end with something in their hands. */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { defineTarget } from "uring-ublk";

export const SIZE = 16 * 2 ** 20;

export interface RecoveryOptions {
  readonly path: string;
  readonly size?: number;
  /** A write here is never answered. */
  readonly hold?: number | undefined;
  /** Leaves the flush out. */
  readonly noFlush?: boolean;
}

export default defineTarget({
  open: ({ path, size = SIZE, hold, noFlush = false }: RecoveryOptions) => {
    const fd = openSync(path, "a+");
    closeSync(fd);
    const file = openSync(path, "r+");
    ftruncateSync(file, size);
    return { size, shared: { file, hold, noFlush } };
  },
  attach: (_queue, { file, hold, noFlush }) => ({
    read: (buffer, offset) => void readSync(file, buffer, 0, buffer.length, offset),
    write: (buffer, offset) => {
      if (offset === hold) {
        console.log("held");
        return new Promise<void>(() => {});
      }
      writeSync(file, buffer, 0, buffer.length, offset);
      return undefined;
    },
    ...(noFlush ? {} : { flush: () => fdatasyncSync(file) }),
  }),
  close: ({ file }) => closeSync(file),
});
