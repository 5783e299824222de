import { UBLK_F_CMD_IOCTL_ENCODE } from "./abi.ts";
import { type DeviceInfo, decodeInfo } from "./info.ts";

/** The driver gives this flag to every device that it makes: left out of what is asked for, it tells that the answer is the driver's. */
export const MADE = UBLK_F_CMD_IOCTL_ENCODE;

/** An ADD_DEV, and what becomes of the device where nobody waits for it any more. */
export class Adding {
  #filled: DataView | undefined; // by an ADD_DEV under way
  #late: Promise<void> | undefined; // the end of one that was given up

  /** Sends it. One that sleeps where no cancel reaches it goes on: the device that it makes late is nobody's, and taken back. */
  async run(
    buffer: DataView,
    send: (ended: () => void) => Promise<unknown>,
    takeBack: (id: number) => Promise<unknown>,
  ): Promise<DeviceInfo> {
    this.#filled = buffer;
    const { promise, resolve } = Promise.withResolvers<void>();
    try {
      await send(resolve);
    } catch (error) {
      this.#late = promise.then(async () => {
        const id = this.made();
        this.#filled = undefined;
        if (id !== undefined) await takeBack(id).catch(() => {});
      });
      throw error;
    }
    this.#filled = undefined;
    return decodeInfo(buffer);
  }

  /** Whether one is under way. */
  get underWay(): boolean {
    return this.#filled !== undefined;
  }

  /** The end of one that was given up and is under way still. */
  get late(): Promise<void> | undefined {
    return this.underWay ? this.#late : undefined;
  }

  /** The device that it has made by now. */
  made(): number | undefined {
    if (this.#filled === undefined) return undefined;
    const { id, flags } = decodeInfo(this.#filled);
    return (flags & MADE) === 0 ? undefined : id;
  }
}
