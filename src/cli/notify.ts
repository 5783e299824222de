import { AF_UNIX, close, connect, Ring, SOCK_DGRAM, type SocketAddress, send, socket } from "../uring/index.ts";

const LIMIT_MS = 2_000;

/**
 * Tells a supervisor how a service fares, as systemd has it (sd_notify(3)): a datagram to the unix socket that NOTIFY_SOCKET names; a name that
 * begins with @ is an abstract one. Without it nobody is told.
 */
export class Notifier {
  readonly #address: SocketAddress | undefined;

  constructor() {
    const { NOTIFY_SOCKET: name } = process.env;
    // It is for this process, and for one service in it.
    delete process.env.NOTIFY_SOCKET;
    if (name?.startsWith("@")) this.#address = { family: "unix", abstract: name.slice(1) };
    else if (name?.startsWith("/")) this.#address = { family: "unix", path: name };
  }

  /** Sends lines such as `READY=1`. */
  async send(text: string): Promise<void> {
    const address = this.#address;
    if (address === undefined) return;
    await using ring = await Ring.open({ entries: 4 });
    const fd = await ring.run(socket({ domain: AF_UNIX, type: SOCK_DGRAM }));
    try {
      const signal = AbortSignal.timeout(LIMIT_MS);
      await ring.run(connect({ fd, address }), { signal });
      await ring.run(send({ fd, buffer: new TextEncoder().encode(text) }), { signal });
    } finally {
      await ring.run(close({ fd }));
    }
  }
}
