import { EventEmitter } from "node:events";
import { explainMode, type ModeExplanation } from "./choose-mode.ts";
import type { DataMode } from "./data-mode.ts";
import { DeviceLife } from "./device-life.ts";
import { DeviceReports } from "./device-reports.ts";
import type { DeviceEvents, DeviceStateName, Target } from "./device-types.ts";
import { checkHandOver, type HandOverOptions } from "./hand-over.ts";
import type { DeviceInfo } from "./info.ts";
import { type DeviceParts, makeDevice } from "./make-device.ts";
import { blockPath, charPath } from "./nodes.ts";
import type { DiskParams } from "./params.ts";
import type { RecoverOptions } from "./recover-options.ts";
import { Resizer } from "./resizer.ts";
import { checkServeOptions, type ServeOptions } from "./serve-options.ts";
import type { SharedMemory } from "./shared-memory.ts";
import type { ShareOptions } from "./shared-region.ts";
import { checkStop, type StopOptions } from "./stop-options.ts";
import { takeOver } from "./take-over.ts";
import type { Size } from "./target.ts";
import type { QueueThread } from "./thread.ts";
import type { UnprivilegedOptions } from "./unprivileged.ts";

/**
 * One ublk device and everything that serves it, from ADD_DEV to DEL_DEV.
 *
 * Made by {@link serve}. It keeps the process alive until it is stopped, as `Bun.serve` does. Requests are served on the calling thread
 * (closures), or in Workers, one or more per queue (a module): never block a thread that serves, and never read one's own disk from it.
 */
export class UblkDevice extends EventEmitter<DeviceEvents> implements AsyncDisposable {
  /** The device's number N. */
  readonly id: number;
  /** What the driver made of the request. */
  readonly info: DeviceInfo;
  /** The data mode in force. */
  readonly mode: DataMode;
  /** Resolves when the device is gone, whoever stopped it; rejects when it failed. */
  readonly finished: Promise<void>;
  readonly #parts: DeviceParts;
  readonly #life: DeviceLife;
  readonly #resizer: Resizer;

  private constructor(parts: DeviceParts) {
    super();
    this.id = parts.info.id;
    this.info = parts.info;
    this.mode = parts.mode;
    this.#parts = parts;
    const life = new DeviceLife(parts, new DeviceReports(this, this.path));
    this.#life = life;
    this.#resizer = new Resizer(parts, (size) => {
      life.params = { ...life.params!, size };
    });
    this.finished = life.finished;
  }

  /** Makes and starts a device: see {@link serve}. */
  static create<Options = never>(
    target: Target<Options>,
    options: ServeOptions<Options> | UnprivilegedOptions<Options> = {},
  ): Promise<UblkDevice> {
    return UblkDevice.#begin((begin) => makeDevice(target as Target, checkServeOptions(options as ServeOptions<never>), begin));
  }

  /** Serves a device again: see {@link recover}. */
  static recover<Options = never>(id: number, target: Target<Options>, options: RecoverOptions<Options> = {}): Promise<UblkDevice> {
    return UblkDevice.#begin((begin) => takeOver(id, target as Target, options as RecoverOptions<never>, begin));
  }

  static async #begin(make: (begin: (parts: DeviceParts) => UblkDevice) => Promise<UblkDevice>): Promise<UblkDevice> {
    let started: Promise<void> | undefined;
    const device = await make((parts) => {
      const made = new UblkDevice(parts);
      started = made.#life.start();
      return made;
    });
    await started;
    return device;
  }

  /** The block device's path, `/dev/ublkbN`. */
  get path(): string {
    return blockPath(this.id);
  }

  /** The char device's path, `/dev/ublkcN`. */
  get charPath(): string {
    return charPath(this.id);
  }

  /** Its place in its life. */
  get state(): DeviceStateName {
    return this.#life.state;
  }

  /** The parameters in force, once live. */
  get params(): Readonly<DiskParams> | undefined {
    return this.#life.params;
  }

  /** Which data mode is in force and why, what became of others, whether requests come in batches. */
  explain(): ModeExplanation {
    const { control, options, geometry } = this.#parts;
    return explainMode(this.mode, options, geometry, control.features, this.#life.shared?.count);
  }

  /**
   * Registers memory that clients may share with the disk (REG_BUF, 7.1), served with `sharedMemory: true`. A client maps
   * {@link SharedMemory.path} and does O_DIRECT I/O on that mapping: such requests are not copied, the target sees the client's own memory.
   * It stays registered until it is released, or the disk stops. Waits for the requests in flight; new ones wait meanwhile.
   *
   * @throws UblkError EEXIST: registered already; EFAULT: a file that is not in memory; ETIMEDOUT: a request stays open for longer
   *   than `timeoutMs`.
   */
  async shareMemory(options: ShareOptions): Promise<SharedMemory> {
    const { shared } = this.#life;
    if (shared === undefined) throw new TypeError("shareMemory: the disk was not made for it; serve it with sharedMemory: true");
    this.#life.mustLive("shareMemory");
    return await shared.share(options);
  }

  /**
   * Gives the disk another size while it is in use (UPDATE_SIZE, Linux 6.16). The target is asked first, and may refuse. The kernel looks at
   * nothing: make a file system smaller before its disk, and larger after it. `docs/changing.md` tells more.
   *
   * @throws RangeError: no multiple of the block size; TypeError: the target has no `resize`, or the disk is not live; UblkError EOPNOTSUPP:
   *   before Linux 6.16; what the target throws.
   */
  async resize(size: Size): Promise<void> {
    this.#life.mustLive("resize");
    await this.#resizer.resize(size);
  }

  /** Whether it stays when this process ends, and waits for another (`recovery`). */
  get outlives(): boolean {
    return this.#life.outlives;
  }

  /** For how long the disk waited that its server before had handed over ({@link UblkDevice.handOver}), in milliseconds. */
  get pauseMs(): number | undefined {
    return this.#parts.starting.pauseMs;
  }

  /** Its serving threads. @internal */
  get threads(): readonly QueueThread[] {
    return this.#life.threads.all;
  }

  /**
   * Stops the disk and removes the device: writes back what is dirty, answers what is open (EIO after `grace`), then deletes. Unmount
   * before, or the mount is left without its disk. Twice is fine: the first call decides. With `ifUnused` a disk that somebody uses is left as
   * it is.
   *
   * @throws UblkError with `ifUnused`, EBUSY: the message says who uses the disk; EOPNOTSUPP: before Linux 7.0.
   */
  stop(options: StopOptions = {}): Promise<void> {
    return this.#life.stop(checkStop(options));
  }

  /**
   * Serves the disk with its module's new code, in the same threads, for development: each loads the module and what lies in its folder anew and
   * calls `attach` with what the old `open` has shared; when all could, requests that arrive wait until those that are open are answered, and go
   * to the new code. If the new code throws, or lacks a method that the kernel was told of, the old one serves on.
   *
   * `serve(url, { hotReload: true })` does it whenever a file in the folder changes.
   *
   * @throws TypeError: the target is no module, or the disk is not live; what the new code throws; an Error where requests stay open for longer
   *   than `timeoutMs`.
   */
  async reload(): Promise<void> {
    this.#life.mustLive("reload");
    await this.#life.reloads.reload();
  }

  /**
   * Lets go of a disk that was served with `recovery`, for another process to {@link recover} it (QUIESCE_DEV, Linux 6.16): new requests wait,
   * those that have arrived are answered, and the queues are closed. No client sees an error, but with `"fail-io"`, where new ones fail.
   * Then the state is `"left"`, and {@link UblkDevice.finished} resolves. `docs/recovery.md` tells more.
   *
   * Requests that stay open for longer than `grace` are sent again to the next server with `"reissue"`; otherwise they fail.
   *
   * @throws TypeError: the disk is not live, or was not made for it; UblkError EOPNOTSUPP: before Linux 6.16, and with batches; ETIMEDOUT: a serving
   *   thread is stuck, and the disk is served on; or requests stayed open, and the disk is handed over all the same.
   */
  async handOver(options: HandOverOptions = {}): Promise<void> {
    await this.#life.handOver(checkHandOver(options, this.info));
  }

  /** {@link UblkDevice.stop}, at the end of an `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
