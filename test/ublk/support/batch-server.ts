/** Serves a batched disk in memory, until it is killed. A second argument: requests are never answered once it is there. */
import { type DataMode, serve, type UblkRequest } from "uring-ublk";

const [mode = "copy", silent = ""] = process.argv.slice(2);
const data = new Uint8Array(4 * 2 ** 20);
let answers = true;
const disk = await serve(
  {
    open: () => ({ size: data.length, zeroCopy: true }),
    attach: () => ({
      handle(request: UblkRequest) {
        const { offset, length, name } = request;
        if (!answers) return new Promise<void>(() => {});
        const part = data.subarray(offset, offset + length);
        if (name === "WRITE") request.copyTo(part);
        else if (name === "READ") request.copyFrom(part);
        return void request.complete();
      },
      ops: { flush: true },
    }),
  },
  { mode: mode as DataMode, batch: true, depth: 32 },
);
if (silent !== "") setTimeout(() => (answers = false), 2_000);
console.log(`disk ${disk.path}`);
await disk.finished;
