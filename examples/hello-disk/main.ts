import { serve } from "uring-ublk";

const data = new Uint8Array(64 * 2 ** 20); // the disk's bytes
const disk = await serve({
  size: data.length,
  read: (buffer, offset) => { buffer.set(data.subarray(offset, offset + buffer.length)); },
  write: (buffer, offset) => { data.set(buffer, offset); },
  flush: () => {},
});
console.log(`${disk.path} is ready`);
await disk.finished;
