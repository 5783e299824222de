import { block, O_RDONLY, sys } from "../ffi/index.ts";
import { blockPath } from "./nodes.ts";
import { partitionsOf } from "./proc.ts";

/**
 * Writes back what clients of a disk have written and its server has not seen yet: of file systems on it, wherever they are mounted, of its
 * partitions, and of itself. Not for the process that serves it: it waits for that one.
 */
export function writeBack(id: number): void {
  const disk = `ublkb${id}`;
  for (const path of [...partitionsOf(disk).map((part) => `/dev/${part}`), blockPath(id)]) {
    const fd = sys.open(path, O_RDONLY);
    try {
      block.flush(fd);
    } finally {
      sys.close(fd);
    }
  }
}
