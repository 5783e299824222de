import type { RawRing } from "../uring/index.ts";
import { UBLK_U_IO_REGISTER_IO_BUF, UBLK_U_IO_UNREGISTER_IO_BUF } from "./abi.ts";
import { lendsPages } from "./data-mode.ts";
import { UblkError } from "./error.ts";
import type { QueueSpec } from "./queue-spec.ts";
import type { TagBuffers } from "./tag-buffers.ts";
import type { TagCommands } from "./tag-commands.ts";

/**
 * Registers the pages of requests in the ring's buffer table: of all in mode zero-copy; of those whose AUTO_BUF_REG failed (the slot was
 * taken, memory was short) otherwise. Every tag has slots of its own for it: there is always room.
 */
export class HandRegistrations {
  /** A tag's pages are registered, or could not be. */
  registered: (tag: number, error: UblkError | undefined) => void = () => {};
  readonly #device: number;
  readonly #commands: TagCommands;
  readonly #buffers: TagBuffers;
  readonly #slots: readonly { readonly register: number; readonly unregister: number }[]; // by tag

  constructor(
    raw: RawRing,
    { device, depth, mode }: QueueSpec,
    commands: TagCommands,
    buffers: TagBuffers,
    failed: (error: UblkError) => void,
  ) {
    this.#device = device;
    this.#commands = commands;
    this.#buffers = buffers;
    const unregistered = (result: number): void => {
      if (result < 0) failed(this.#error("UNREGISTER_IO_BUF", result));
    };
    this.#slots = Array.from({ length: lendsPages(mode) ? depth : 0 }, (_, tag) => ({
      register: raw.allocate((result) => this.#onRegistered(tag, result)),
      unregister: raw.allocate(unregistered),
    }));
  }

  /** Registers a tag's pages; {@link HandRegistrations.registered} hears of it. */
  register(tag: number): void {
    this.#commands.bufferCommand(this.#slots[tag]!.register, UBLK_U_IO_REGISTER_IO_BUF, tag);
  }

  /** Gives a tag's pages back. Queued in front of the commit: the kernel ends the request when both are through. */
  unregister(tag: number): void {
    this.#commands.bufferCommand(this.#slots[tag]!.unregister, UBLK_U_IO_UNREGISTER_IO_BUF, tag);
    this.#buffers.setByHand(tag, false);
  }

  #onRegistered(tag: number, result: number): void {
    if (result >= 0) this.#buffers.setByHand(tag, true);
    this.registered(tag, result < 0 ? this.#error("REGISTER_IO_BUF", result) : undefined);
  }

  #error(command: string, errno: number): UblkError {
    return new UblkError({ command, device: this.#device, errno });
  }
}
