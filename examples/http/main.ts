/** A read-only disk whose bytes come from an HTTP server. */
import { serve } from "uring-ublk";
import { main, SERVING_HELP, UsageError } from "../command-line.ts";
import { remoteFile } from "./remote-file.ts";

const help = `Serves a file on a web server as a read-only disk: every read becomes a request with a Range. Mount an image that is never downloaded.

  bun examples/http/main.ts URL [OPTIONS]

${SERVING_HELP}`;

const SECTOR = 512;

await main({
  name: "http",
  help,
  word: ["URL", "the file to serve"],
  start: async ({ word: url, serving, inWorkers }) => {
    if (!URL.canParse(url)) throw new UsageError(`URL is '${url}'; it must be a whole one, such as http://localhost:8080/disk.img`);
    if (inWorkers) throw new UsageError("this disk is served on the program's own thread: leave --workers out, and use one queue");
    const file = await remoteFile(url);
    return serve(
      {
        size: Math.ceil(file.size / SECTOR) * SECTOR, // what lies behind the file's end reads as zeros
        readOnly: true,
        read: async (buffer, offset, { signal }) => {
          const length = Math.min(buffer.length, file.size - offset);
          buffer.set(await file.read(offset, length, signal));
          buffer.fill(0, length);
        },
      },
      serving,
    );
  },
});
