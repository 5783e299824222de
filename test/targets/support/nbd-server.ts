/** NBD servers for tests: one that is told what to answer, in this process. The good one is examples/nbd-server. */
import { createServer, type Socket } from "node:net";
import { negotiate } from "../../../examples/nbd-server/negotiation.ts";
import { Can, Command, decodeRequest, type Export, type Request } from "../../../examples/nbd-server/protocol.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a connection does once the negotiation is over: `request` is the next one, with the data of a WRITE taken. */
export type Behaviour = (next: () => Promise<Request>, socket: Socket) => Promise<void>;

/** Receives exactly so many bytes of a socket; rejects at its end. */
export function receiver(socket: Socket): (length: number) => Promise<Bytes> {
  let have = Buffer.alloc(0);
  let over = false;
  let tell = (): void => {};
  socket.on("data", (bytes: Buffer) => {
    have = Buffer.concat([have, bytes]);
    tell();
  });
  const end = (): void => {
    over = true;
    tell();
  };
  socket.on("close", end).on("error", end).on("end", end);
  return async (length) => {
    while (have.length < length) {
      if (over) throw new Error("the connection is over");
      await new Promise<void>((resolve) => {
        tell = resolve;
      });
    }
    const bytes = new Uint8Array(have.subarray(0, length));
    have = have.subarray(length);
    return bytes;
  };
}

/** An export of zeros with all that servers can do. */
export const ZEROS: Export = {
  name: "",
  size: 4 * 2 ** 20,
  flags: Can.HAS_FLAGS | Can.FLUSH | Can.FUA | Can.TRIM | Can.WRITE_ZEROES | Can.MULTI_CONN,
};

/** A server that negotiates as it should, and then does what it is told. */
export async function toldServer(behave: Behaviour, served: Export = ZEROS) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const receive = receiver(socket);
    const next = async (): Promise<Request> => {
      const request = decodeRequest(await receive(28));
      if (request.command === Command.WRITE) await receive(request.length);
      return request;
    };
    const send = async (bytes: Bytes): Promise<void> => void socket.write(bytes);
    void (async () => {
      if (await negotiate({ receive, send }, served)) await behave(next, socket);
    })()
      .catch(() => {})
      .finally(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
