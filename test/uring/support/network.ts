import {
  AF_INET,
  accept,
  bind,
  connect,
  listen,
  type Ring,
  SOCK_DGRAM,
  SOCK_STREAM,
  type SocketAddress,
  socket,
  socketName,
} from "uring-ublk";
import { sys } from "uring-ublk/ffi";

/** Any free port of the loopback interface. */
export const LOOPBACK: SocketAddress = { family: "ipv4", address: "127.0.0.1", port: 0 };

/** A descriptor that closes itself at the end of the scope. */
export class Descriptor implements Disposable {
  #open = true;

  constructor(readonly fd: number) {}

  /** Closes it now. */
  close(): void {
    if (this.#open) sys.close(this.fd);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A socket that listens, and its address. */
export class Listener extends Descriptor {
  constructor(
    fd: number,
    readonly address: SocketAddress,
  ) {
    super(fd);
  }
}

/** A TCP socket that listens. */
export async function listening(ring: Ring, backlog = 128): Promise<Listener> {
  const fd = await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM }));
  await ring.run(bind({ fd, address: LOOPBACK }));
  await ring.run(listen({ fd, backlog }));
  return new Listener(fd, socketName(fd));
}

/** A client of it. */
export async function connected(ring: Ring, { address }: Listener): Promise<Descriptor> {
  const fd = await ring.run(socket({ domain: AF_INET, type: SOCK_STREAM }));
  await ring.run(connect({ fd, address }));
  return new Descriptor(fd);
}

/** Both ends of a TCP connection. */
export async function tcp(ring: Ring): Promise<{ near: Descriptor; far: Descriptor } & Disposable> {
  using listener = await listening(ring);
  const near = await connected(ring, listener);
  const far = new Descriptor(await ring.run(accept({ fd: listener.fd })));
  return {
    near,
    far,
    [Symbol.dispose]() {
      near.close();
      far.close();
    },
  };
}

/** A UDP socket with a port of its own, and its address. */
export async function udp(ring: Ring): Promise<Listener> {
  const fd = await ring.run(socket({ domain: AF_INET, type: SOCK_DGRAM }));
  await ring.run(bind({ fd, address: LOOPBACK }));
  return new Listener(fd, socketName(fd));
}

/** How a promise fails. */
export const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
export const bytesOf = (words: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(words);
