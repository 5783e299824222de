import { all, chain, type Fd, read, writev } from "uring-ublk";

/** A part of a file. */
export interface Extent {
  readonly fd: Fd;
  readonly offset: number;
  readonly length: number;
}

/** Parts of several files, read side by side and written one behind the other with one vectored write. */
export function gathered(extents: readonly Extent[], to: Fd, offset: number) {
  const buffers = extents.map(({ length }) => new Uint8Array(length));
  const reads = extents.map(({ fd, offset: from }, i) => read({ fd, buffer: buffers[i]!, offset: from }).exact());
  return chain(all(...reads), writev({ fd: to, buffers, offset }).exact());
}
