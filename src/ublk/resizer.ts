import { UBLK_F_UPDATE_SIZE } from "./abi.ts";
import { askOutside } from "./ask-outside.ts";
import { UblkError } from "./error.ts";
import { checkCapacity } from "./geometry.ts";
import { lacking } from "./lacking.ts";
import { StepLimit, unlessAborted } from "./limits.ts";
import type { DeviceParts } from "./make-device.ts";
import { hasOutside } from "./outside.ts";
import type { Resized, Size } from "./target.ts";
import { Turns } from "./turns.ts";

const EOPNOTSUPP = -95;

/** Changes the size of a device, one change after the other. */
export class Resizer {
  readonly #parts: DeviceParts;
  readonly #changed: (size: number) => void;
  #size: number;
  readonly #turns = new Turns(1);

  /** `changed` is told of each new size. */
  constructor(parts: DeviceParts, changed: (size: number) => void) {
    this.#parts = parts;
    this.#changed = changed;
    this.#size = parts.geometry.size;
  }

  /** Checks what can be checked at once, and takes its turn. */
  async resize(wanted: Size): Promise<void> {
    const { control, info, geometry, opened } = this.#parts;
    const size = checkCapacity(wanted, geometry.blockSize, "resize");
    if (opened.resize === undefined)
      throw new TypeError(
        "resize: the target has no resize(size, from), so its disk keeps its size; docs/changing.md says how to write one",
      );
    if ((control.features & UBLK_F_UPDATE_SIZE) === 0) {
      const hint = `resize: ${lacking(UBLK_F_UPDATE_SIZE, control.features)}. Stop the disk and serve it anew`;
      throw new UblkError({ command: "UPDATE_SIZE", device: info.id, errno: EOPNOTSUPP, hint });
    }
    await this.#turns.run(() => this.#change(size));
  }

  async #change(size: number): Promise<void> {
    const from = this.#size;
    if (size === from) return;
    const done = await this.#ask(size, from);
    try {
      await this.#send(size);
    } catch (error) {
      // What has grown goes back; but a command that was given up may still be carried out.
      if (size > from && !(error instanceof UblkError && error.code === "ETIMEDOUT")) await this.#takeBack(from, size);
      throw error;
    }
    this.#size = size;
    this.#changed(size);
    await done?.();
  }

  async #ask(size: number, from: number): Promise<Resized> {
    const { opened, options } = this.#parts;
    using limit = new StepLimit(options.timeoutMs, "resize()");
    return await unlessAborted(opened.resize!(size, from), limit.signal);
  }

  async #takeBack(size: number, from: number): Promise<void> {
    try {
      const done = await this.#ask(size, from);
      await done?.();
    } catch {
      // It is larger than its disk, which harms nobody; there is an error to throw already.
    }
  }

  // From a child: it waits for a STOP_DEV that is under way, which waits for this process.
  async #send(size: number): Promise<void> {
    const { control, info, options } = this.#parts;
    const limitMs = options.timeoutMs;
    if (hasOutside) await askOutside("UPDATE_SIZE", info.id, { args: ["resize", String(size)], limitMs });
    else await control.updateSize(info.id, size, { timeoutMs: limitMs });
  }
}
