import { sys } from "../ffi/index.ts";
import { defineTarget, parseSize } from "../ublk/index.ts";
import { TUPLE_BYTES } from "../ublk/integrity.ts";
import { discard, type LockedFile, openLocked, refuse } from "./files/locked-file.ts";
import { checkIntegrityOptions, type IntegrityOptions, type IntegrityWish } from "./integrity/options.ts";
import { IntegrityRequests, type IntegrityShared } from "./integrity/requests.ts";

const EINVAL = -22;

/** A file as a disk, with the protection information of its blocks in another. */
export default defineTarget({
  async open(options: IntegrityOptions) {
    const wish = checkIntegrityOptions(options);
    const { blockSize, checksum } = wish;
    const tuple = TUPLE_BYTES[checksum];
    const { files, size } = await openBoth(wish, tuple);
    const [fd, metadataFd] = files.map((file) => file.fd) as [number, number];
    const shared: IntegrityShared = { fd, metadataFd, blockSize, tuple };
    return { size, blockSize, integrity: { checksum }, zeroCopy: true, synchronous: true, members: 2, shared };
  },
  attach: (queue, shared) => new IntegrityRequests(queue, shared),
  close({ fd, metadataFd }) {
    sys.close(fd);
    sys.close(metadataFd);
  },
});

async function openBoth({ blockSize, data, metadataPath }: IntegrityWish, tuple: number): Promise<{ files: LockedFile[]; size: number }> {
  const files: LockedFile[] = [];
  try {
    const file = await openLocked(data);
    files.push(file);
    const size = file.stats.size - (file.stats.size % blockSize);
    if (file.device || size === 0) throw refuse(data, EINVAL, `it must be a regular file of at least a block (${blockSize})`);
    files.push(await openLocked({ ...data, option: "metadataPath", path: metadataPath, create: parseSize((size / blockSize) * tuple) }));
    return { files, size };
  } catch (error) {
    for (const file of files.reverse()) discard(file);
    throw error;
  }
}
