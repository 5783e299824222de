import type { DeferredRequest, UblkQueue } from "../../ublk/index.ts";
import { type Fd, MSG_WAITALL, type Ring, send } from "../../uring/index.ts";

/**
 * Sends the data of WRITEs to a socket: without a copy where it is memory of this process. Pages that are lent are copied by the kernel: among
 * those of file systems is slab memory, which a socket cannot hold on to. Kernels up to 6.18 lend pages and cannot send from them;
 * there the data goes by way of memory.
 */
export class Outgoing {
  readonly #ring: Ring;
  readonly #most: number;
  #fromPages = true; // until the kernel refuses it
  #memory: Uint8Array<ArrayBuffer> | undefined;

  constructor({ ring, spec }: UblkQueue) {
    this.#ring = ring;
    this.#most = spec.maxIoBytes;
  }

  /** Sends all of a request's data. What it resolves to resolves when the kernel has let go of it. */
  async send(fd: Fd, request: DeferredRequest): Promise<{ released: Promise<unknown> }> {
    if (request.buffer.kind === "memory") return await this.#ring.run(request.source().sendTo({ fd }));
    if (!this.#fromPages || !(await this.#straight(fd, request))) await this.#aside(fd, request);
    return { released: Promise.resolve() };
  }

  /** False when the kernel cannot do it: it has not begun. */
  async #straight(fd: Fd, request: DeferredRequest): Promise<boolean> {
    try {
      await this.#ring.run(request.source().sendCopyTo({ fd }));
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EINVAL") throw error;
      this.#fromPages = false;
      return false;
    }
  }

  // One at a time: the memory serves all.
  async #aside(fd: Fd, request: DeferredRequest): Promise<void> {
    this.#memory ??= new Uint8Array(this.#most);
    const buffer = this.#memory.subarray(0, request.length);
    request.copyTo(buffer);
    await this.#ring.run(send({ fd, buffer, flags: MSG_WAITALL }).exact());
  }
}
