import { fstatSync, ftruncateSync } from "node:fs";
import { block } from "../../ffi/index.ts";
import type { Resized } from "../../ublk/index.ts";
import type { ServedFile } from "./measure.ts";

/**
 * Makes room in files for a disk that has so many bytes in each, or refuses: a block device is as large as it is. A disk that shrinks has its
 * files cut once it has.
 */
export function resizeFiles(target: string, files: readonly ServedFile[], bytes: number, from: number): Resized {
  const sizes = files.map(({ fd, device }) => (device ? block.size(fd) : fstatSync(fd).size));
  const small = files.findIndex(({ device }, i) => device && sizes[i]! < bytes);
  if (small >= 0)
    throw new RangeError(
      `${target}: '${files[small]!.path}' is a block device of ${sizes[small]} bytes, and the disk would need ${bytes} of it`,
    );
  const grown: number[] = [];
  try {
    for (const [i, { fd }] of files.entries()) {
      if (sizes[i]! >= bytes) continue;
      ftruncateSync(fd, bytes);
      grown.push(i);
    }
  } catch (cause) {
    const failed = files.find((_, i) => sizes[i]! < bytes && !grown.includes(i))!;
    for (const i of grown) ftruncateSync(files[i]!.fd, sizes[i]!);
    throw new RangeError(`${target}: '${failed.path}' cannot be made ${bytes} bytes large: ${(cause as Error).message}`, { cause });
  }
  if (bytes >= from) return;
  return () => {
    for (const { fd, device } of files) if (!device) ftruncateSync(fd, bytes);
  };
}
