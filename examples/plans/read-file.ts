import { chain, close, openat, read, step } from "uring-ublk";

/** Opens a file, reads its beginning, and closes it in any case: three operations of which each needs what the one before gave. */
export const beginningOf = (path: string, buffer: Uint8Array) =>
  chain(
    openat({ path }),
    step((fd) => chain(read({ fd, buffer, offset: 0 }), close({ fd }).always())),
  );
