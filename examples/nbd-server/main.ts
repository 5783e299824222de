/** An NBD server: a file that other machines, or the disk of examples/nbd, use over TCP. */
import { acceptMultishot, close, Ring } from "uring-ublk";
import { ipAddress, listenAt, main, UsageError, whole } from "../network.ts";
import { Connection } from "./connection.ts";
import { Image } from "./image.ts";

const help = `Serves a file to NBD clients: examples/nbd, nbd-client, qemu, libnbd.

  bun examples/nbd-server/main.ts --file PATH [OPTIONS]

  --file PATH      the file; it is locked meanwhile, and its size is the disk's
  --port N         the port (default 10809; 0 lets the kernel choose)
  --host ADDRESS   the IP address to listen on (default 127.0.0.1)
  --export NAME    the name of the export (default none: what clients get that ask for none)
  --read-only      clients may only read
  --clients N      connections at a time (default 16); others wait until one ends. Each takes up to 16 MiB
  --help

There is no TLS and no password: whoever reaches the port has the file.

Ctrl-C ends it.
`;

/** Resolves when fewer than so many are left. */
async function fewerThan(most: number, active: ReadonlySet<Promise<void>>): Promise<void> {
  while (active.size >= most) await Promise.race(active);
}

await main({
  name: "nbd-server",
  help,
  options: {
    file: { type: "string" },
    port: { type: "string" },
    host: { type: "string" },
    export: { type: "string" },
    "read-only": { type: "boolean" },
    clients: { type: "string" },
  },
  async serve(values, signal) {
    if (values.file === undefined) throw new UsageError("--file is missing: what to serve");
    const address = ipAddress((values.host as string | undefined) ?? "127.0.0.1", whole(values, "port", 10809, 0, 65535));
    const most = whole(values, "clients", 16, 1, 1024);

    await using ring = await Ring.open({ entries: 1024, cqEntries: 8192 });
    using image = new Image(ring, values.file as string, (values.export as string | undefined) ?? "", values["read-only"] === true);
    const fd = await listenAt(ring, address, true);

    const active = new Set<Promise<void>>();
    let [clients, requests] = [0, 0];
    try {
      for await (const client of ring.run(acceptMultishot({ fd }), { signal })) {
        clients++;
        const serving = new Connection(ring, client, image, signal)
          .serve()
          .then((count) => void (requests += count))
          .catch((error: Error) => console.error(`nbd-server: a connection is closed: ${error.message}`))
          .finally(() => active.delete(serving));
        active.add(serving);
        await fewerThan(most, active); // until then, connections wait in the listening socket
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await Promise.all(active);
      await ring.run(close({ fd }));
    }
    return `nbd-server: ${clients} connections, ${requests} requests`;
  },
});
