/** A UDP relay: clients talk to its port, it talks to a server for them, each client through a socket of its own. */
import { AF_INET, AF_INET6, bind, close, Ring, recvmsgMultishot, SOCK_DGRAM, socket, socketName } from "uring-ublk";
import { endpoint, ipAddress, main, show, UsageError, whole } from "../network.ts";
import { Sessions } from "./sessions.ts";

const help = `Relays datagrams: what clients send to its UDP port goes to a server, and the answers go back to who asked.

  bun examples/relay/main.ts --to ADDRESS:PORT [OPTIONS]

  --to ADDRESS:PORT   the server, such as 192.0.2.1:53 or [2001:db8::1]:53
  --port N            the port to listen on (default 7008; 0 lets the kernel choose)
  --host ADDRESS      the IP address to listen on (default 127.0.0.1)
  --clients N         clients at a time (default 256); the one that was silent longest makes room
  --help

Two kinds of operations do all the receiving, however much comes: recvmsgMultishot on the port, and one on the socket of each
client. Their buffers come from a common group; while it is empty, datagrams wait in their sockets.

Ctrl-C ends it.
`;

const BUFFERS = 256;
const LARGEST = 65_535;
const HEAD = 16 + 128; // what recvmsgMultishot puts before the data

await main({
  name: "relay",
  help,
  options: { to: { type: "string" }, port: { type: "string" }, host: { type: "string" }, clients: { type: "string" } },
  async serve(values, signal) {
    if (values.to === undefined) throw new UsageError("--to is missing: the server's address and port");
    const server = endpoint("to", values.to as string);
    const address = ipAddress((values.host as string | undefined) ?? "127.0.0.1", whole(values, "port", 7008, 0, 65535));
    const most = whole(values, "clients", 256, 1, 10_000);

    await using ring = await Ring.open({ entries: 256, cqEntries: 4096 });
    const fd = await ring.run(socket({ domain: address.family === "ipv6" ? AF_INET6 : AF_INET, type: SOCK_DGRAM }));
    await ring.run(bind({ fd, address }));
    console.log(`listening on ${show(socketName(fd))}`);

    using group = ring.bufferGroup({ buffers: BUFFERS, size: HEAD + LARGEST });
    const sessions = new Sessions({ ring, fd, group, server, most, signal });
    try {
      for await (const message of ring.run(recvmsgMultishot({ fd, group }), { signal })) {
        if (message.address !== undefined) await sessions.forward(message.address, message.bytes);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await sessions.end();
      await ring.run(close({ fd }));
    }
    return sessions.summary;
  },
});
