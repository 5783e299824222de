import type { DeferredRequest, UblkQueue } from "../../ublk/index.ts";
import { type Fd, MSG_WAITALL, type Ring, recv } from "../../uring/index.ts";
import { ended } from "./dial.ts";

/**
 * Takes the data of READs from a socket. It goes straight into the request: memory, or pages of the client that are lent. Kernels up to 6.18
 * lend pages and cannot receive into them; there it goes by way of memory, and is copied as in mode copy.
 */
export class Incoming {
  readonly #ring: Ring;
  readonly #most: number;
  #intoPages = true; // until the kernel refuses it
  #memory: Uint8Array<ArrayBuffer> | undefined;

  constructor({ ring, spec }: UblkQueue) {
    this.#ring = ring;
    this.#most = spec.maxIoBytes;
  }

  /** Receives all of a request's data. */
  async receive(fd: Fd, request: DeferredRequest): Promise<void> {
    if (request.open && (this.#intoPages || request.buffer.kind === "memory") && (await this.#straight(fd, request))) return;
    const bytes = await this.#aside(fd, request.length);
    if (request.open) request.copyFrom(bytes); // otherwise nobody waits for it any more
  }

  /** False when the kernel cannot do it: it has not begun, and nothing is lost. */
  async #straight(fd: Fd, request: DeferredRequest): Promise<boolean> {
    try {
      await this.#ring.run(request.sink().recvFrom({ fd }));
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EINVAL" || request.buffer.kind === "memory") throw error;
      this.#intoPages = false;
      return false;
    }
  }

  async #aside(fd: Fd, length: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#memory ??= new Uint8Array(this.#most);
    const buffer = this.#memory.subarray(0, length);
    if ((await this.#ring.run(recv({ fd, buffer, flags: MSG_WAITALL }))) < length) throw ended();
    return buffer;
  }
}
