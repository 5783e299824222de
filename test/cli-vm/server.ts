/** A server for the tests of the command: a disk in memory; `stuck` as argument makes it never answer a write. */
import { serve } from "uring-ublk";

const stuck = process.argv[2] === "stuck";
const data = new Uint8Array(16 * 2 ** 20);
const disk = await serve(
  {
    size: data.length,
    read: (buffer, offset) => void buffer.set(data.subarray(offset, offset + buffer.length)),
    write: (buffer, offset) => (stuck ? new Promise<void>(() => {}) : void data.set(buffer, offset)),
  },
  { depth: 16 },
);
console.log(disk.id);
await disk.finished;
