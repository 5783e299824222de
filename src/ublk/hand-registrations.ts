import type { RawRing } from "../uring/index.ts";
import { UBLK_U_IO_REGISTER_IO_BUF, UBLK_U_IO_UNREGISTER_IO_BUF } from "./abi.ts";
import { UblkError } from "./error.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import type { TagCommands } from "./tag-commands.ts";

/**
 * Registers the pages of requests in the ring's buffer table: of all in mode zero-copy; of those whose AUTO_BUF_REG failed (the slot was
 * taken, memory was short) otherwise.
 */
export class HandRegistrations {
  readonly #raw: RawRing;
  readonly #device: number;
  readonly #commands: TagCommands;
  readonly #buffers: TagBuffers;

  constructor(raw: RawRing, device: number, commands: TagCommands, buffers: TagBuffers) {
    this.#raw = raw;
    this.#device = device;
    this.#commands = commands;
    this.#buffers = buffers;
  }

  /** Registers a tag's pages; tells of 0, or of the error and its errno. */
  register(tag: number, done: (result: number, error: UblkError | undefined) => void): void {
    this.#command("REGISTER_IO_BUF", UBLK_U_IO_REGISTER_IO_BUF, tag, (result, error) => {
      if (error === undefined) this.#buffers.setByHand(tag, true);
      done(result, error);
    });
  }

  /** Gives a tag's pages back. Queued in front of the commit: the kernel ends the request when both are through. */
  unregister(tag: number, failed: (error: UblkError) => void): void {
    this.#buffers.setByHand(tag, false);
    this.#command("UNREGISTER_IO_BUF", UBLK_U_IO_UNREGISTER_IO_BUF, tag, (_result, error) => {
      if (error !== undefined) failed(error);
    });
  }

  #command(name: string, op: number, tag: number, done: (result: number, error: UblkError | undefined) => void): void {
    const slot = this.#raw.allocate((result) => {
      this.#raw.release(slot);
      done(result, result < 0 ? new UblkError({ command: name, device: this.#device, errno: result }) : undefined);
    });
    this.#commands.bufferCommand(slot, op, tag);
  }
}
