/** Serves a batched disk in memory, until it is killed. A request at {@link UNANSWERED} never ends, and is told. */
import { type DataMode, serve, type UblkRequest } from "uring-ublk";

const [mode = "copy"] = process.argv.slice(2);
const UNANSWERED = 2 ** 20 + 12288;
const data = new Uint8Array(4 * 2 ** 20);
const disk = await serve(
  {
    open: () => ({ size: data.length, zeroCopy: true }),
    attach: () => ({
      handle(request: UblkRequest) {
        const { offset, length, name } = request;
        if (offset === UNANSWERED) {
          console.log("asked");
          return new Promise<void>(() => {});
        }
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
console.log(`disk ${disk.path}`);
await disk.finished;
