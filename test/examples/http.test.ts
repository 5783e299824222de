// usual kernels: none
import { expect } from "bun:test";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { failure, sh, treeSum, ublkNodes, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, requires } from "../support/requires.ts";
import { runExample, startExample } from "./program.ts";

const t = requires(haveUblk(), "needs a kernel with ublk");
const LIMIT = 180_000; // an emulated machine, and neighbours

type Fault = "none" | "no ranges" | "short" | "whole" | "error";

/** A web server with one file, as static file servers are: HEAD, Range, If-Match; and faulty on request. */
function fileServer(path: string) {
  const state = { fault: "none" as Fault, tag: '"one"', requests: 0 };
  const server = Bun.serve({
    port: 0,
    async fetch(request) {
      state.requests++;
      const file = Bun.file(path);
      const headers: Record<string, string> = {
        ETag: state.tag,
        ...(state.fault === "no ranges" ? {} : { "Accept-Ranges": "bytes" }),
      };
      if (request.method === "HEAD") return new Response(null, { headers: { ...headers, "Content-Length": String(file.size) } });
      if (state.fault === "error") return new Response("out of order", { status: 503 });
      const match = request.headers.get("If-Match");
      if (match !== null && match !== state.tag) return new Response("changed", { status: 412 });
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("Range") ?? "");
      // Bytes and not the file: Bun itself would answer the range of a file.
      if (range === null || state.fault === "whole") return new Response(await file.slice(0, 2 ** 20).bytes(), { headers });
      const [first, last] = [Number(range[1]), Number(range[2]) - (state.fault === "short" ? 512 : 0)];
      return new Response(await file.slice(first, last + 1).bytes(), {
        status: 206,
        headers: { ...headers, "Content-Range": `bytes ${first}-${last}/${file.size}` },
      });
    },
  });
  return {
    url: `http://localhost:${server.port}/disk.img`,
    state,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

t(
  "an image on a web server is mounted without being downloaded",
  async () => {
    await using directory = await workDirectory("/tmp");
    const image = join(directory.path, "image");
    await sh(
      `mkdir "$1/tree" "$1/mnt"; cp -r src examples package.json "$1/tree/"; mke2fs -q -t ext4 -d "$1/tree" "$1/image" 24M`,
      directory.path,
    );
    truncateSync(image, 24 * 2 ** 20 + 100); // its last sector is not whole
    await using server = fileServer(image);
    await using program = await startExample("http", server.url);
    expect(await sh(`blockdev --getsize64 --getro "$1"`, program.device)).toBe(`${24 * 2 ** 20 + 512}\n1`);
    await sh(`mount -o ro "$1" "$2/mnt"`, program.device, directory.path);
    expect(await treeSum(join(directory.path, "mnt"))).toBe(await treeSum(join(directory.path, "tree")));
    await sh(`umount "$1/mnt"`, directory.path);
    await sh(`cmp -n $((24 * 1024 * 1024 + 100)) "$1" "$2"`, program.device, image);

    // Whatever the server does wrong, the client gets an error, and the disk lives on.
    const read = `dd if="$1" of=/dev/null bs=64k count=1 skip=3 iflag=direct status=none`;
    for (const fault of ["short", "whole", "error"] as const) {
      server.state.fault = fault;
      expect(await failure(read, program.device)).toContain("Input/output error");
    }
    server.state.fault = "none";
    await sh(read, program.device);
    server.state.tag = '"two"'; // another file has taken its place
    expect(await failure(read, program.device)).toContain("Input/output error");

    expect(await program.end("SIGINT")).toBe(130);
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);

t(
  "a server without ranges is refused before there is a disk",
  async () => {
    await using server = fileServer("package.json");
    server.state.fault = "no ranges";
    const { status, err } = await runExample("http", server.url);
    expect(status).toBe(1);
    expect(err).toContain('does not say "Accept-Ranges: bytes"');
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);
