/** A TCP server that sends everything back: multishot accept, buffers the kernel chooses, zero-copy sends. */
import { acceptMultishot, close, Ring } from "uring-ublk";
import { ipAddress, listenAt, main, whole } from "../network.ts";
import { Clients } from "./clients.ts";

const help = `Sends back whatever arrives on a TCP port.

  bun examples/echo/main.ts [OPTIONS]

  --port N             the port (default 7007; 0 lets the kernel choose)
  --host ADDRESS       the IP address to listen on (default 127.0.0.1)
  --clients N          connections at a time (default 1024); others wait until one ends
  --buffer N           bytes in a receive buffer (default 65536)
  --zero-copy-from N   answers of at least N bytes are sent without copying (default 16384)
  --help

One operation accepts all connections, and an idle one costs no buffer: the kernel takes one from a common group when data
arrives. A buffer goes back to the group when the kernel has let go of it: for a zero-copy send that is its notification, not
its result. Zero copy pays over a network card; over loopback the kernel copies all the same, and the last line says so.

Ctrl-C ends it.
`;

await main({
  name: "echo",
  help,
  options: {
    port: { type: "string" },
    host: { type: "string" },
    clients: { type: "string" },
    buffer: { type: "string" },
    "zero-copy-from": { type: "string" },
  },
  async serve(values, signal) {
    const address = ipAddress((values.host as string | undefined) ?? "127.0.0.1", whole(values, "port", 7007, 0, 65535));
    const most = whole(values, "clients", 1024, 1, 16384);
    const size = whole(values, "buffer", 65536, 1, 1 << 24);
    const zeroCopyFrom = whole(values, "zero-copy-from", 16384, 0, 999_999_999);

    await using ring = await Ring.open({ entries: 1024, cqEntries: 8192 });
    const fd = await listenAt(ring, address);

    // As many buffers as connections: each holds one at most, so the group never runs dry. It goes with the ring: a notification that
    // is missing at the end is waited for there.
    const group = ring.bufferGroup({ buffers: 2 ** Math.ceil(Math.log2(most)), size });
    const clients = new Clients(ring, group, zeroCopyFrom, signal);
    try {
      for await (const client of ring.run(acceptMultishot({ fd }), { signal })) {
        clients.serve(client);
        await clients.fewerThan(most); // until then, connections wait in the listening socket
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await clients.ended();
      await ring.run(close({ fd }));
    }
    return clients.summary;
  },
});
