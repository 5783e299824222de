import { cpusOf, sys } from "../ffi/index.ts";
import { checkChoice, checkInteger, checkKnown } from "../uring/options.ts";
import { Ring } from "../uring/ring.ts";
import * as abi from "./abi.ts";
import { encodeAdd } from "./add-request.ts";
import { Adding } from "./adding.ts";
import { sendCommand } from "./by-path.ts";
import { ANY_ID, behindPath, type Command } from "./command.ts";
import type { AddDevice, CommandOptions, ControlOptions, SetParamsOptions } from "./control-options.ts";
import { UblkError } from "./error.ts";
import { checkHasDisk } from "./has-disk.ts";
import { type DeviceInfo, decodeInfo } from "./info.ts";
import type { CommandRoad } from "./issue.ts";
import { openControl } from "./open-control.ts";
import { type DiskParams, decodeParams, encodeParams, sectorsOf } from "./params.ts";
import { checkParams } from "./params-rules.ts";
import { checkIndex, encodeRegBuf, type RegBuf } from "./reg-buf.ts";
import { ublk_params, ublksrv_ctrl_dev_info } from "./structs.ts";
import { traceCommands } from "./trace.ts";
import { Turns } from "./turns.ts";

export type { AddDevice, CommandEncoding, CommandOptions, ControlOptions, SetParamsOptions } from "./control-options.ts";

const CPU_MASK_BYTES = 1024;
const STEP_NS = 50_000_000;
/** Sleeping commands hold a kernel worker each; more than this many wait for their turn here. */
const CONCURRENT = 24;
const WORKERS = 64;

/**
 * The control side of ublk: every command of `/dev/ublk-control`, asynchronous, with a time limit and errors that say why.
 *
 * It has a ring of its own (128-byte SQEs), so it may live on the thread that serves a queue: nothing here waits synchronously.
 *
 * @example
 * ```ts
 * import { featureNames, UblkControl } from "uring-ublk/ublk";
 * await using control = await UblkControl.open();
 * console.log(featureNames(control.features));
 * ```
 */
export class UblkControl implements AsyncDisposable {
  /** `UBLK_F_*` that the driver knows (GET_FEATURES). */
  readonly features: number;
  readonly #fd: number;
  readonly #ring: Ring;
  readonly #timeoutMs: number;
  readonly #road: CommandRoad;
  readonly #turns = new Turns(CONCURRENT);
  readonly #adding = new Adding();
  #stuck = 0;
  #closed = false;

  private constructor(fd: number, ring: Ring, features: number, options: ControlOptions) {
    this.#fd = fd;
    this.#ring = ring;
    this.features = features;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#road = { fd, ring, encoding: options.encoding ?? "ioctl", stuck: (one) => (this.#stuck += one) };
  }

  /**
   * Opens the control device and asks for the driver's features (GET_FEATURES, 6.5).
   *
   * @throws UblkError ENOENT: the module is not loaded; EACCES: neither root nor allowed; ENODEV: the kernel is older than 6.5.
   */
  static async open(options: ControlOptions = {}): Promise<UblkControl> {
    checkKnown("UblkControl.open", options, ["timeoutMs", "encoding"]);
    if (options.timeoutMs !== undefined) checkInteger("UblkControl.open", "timeoutMs", options.timeoutMs, 1, 2 ** 31 - 1);
    if (options.encoding !== undefined) checkChoice("UblkControl.open", "encoding", options.encoding, ["ioctl", "legacy"]);
    const fd = openControl();
    let ring: Ring | undefined;
    try {
      ring = await Ring.open({ entries: 64, sqe: 128 });
      traceCommands(ring.raw.trace);
      ring.raw.register.iowqMaxWorkers(WORKERS, 0);
      const probe = new UblkControl(fd, ring, 0, { ...options, encoding: "ioctl" });
      return new UblkControl(fd, ring, await probe.getFeatures(), options);
    } catch (error) {
      await ring?.close();
      sys.close(fd);
      if (error instanceof UblkError && ["ENODEV", "EOPNOTSUPP", "EINVAL"].includes(error.code)) {
        throw new UblkError({
          command: "GET_FEATURES",
          errno: error.errno,
          hint: "this kernel's ublk driver is too old: Linux 6.5 or newer is needed",
        });
      }
      throw error;
    }
  }

  /** GET_FEATURES (6.5): the mask of `UBLK_F_*` that the driver knows. */
  async getFeatures(options?: CommandOptions): Promise<number> {
    const buffer = new DataView(new ArrayBuffer(abi.UBLK_FEATURES_LEN));
    await this.#command({ name: "GET_FEATURES", op: abi.UBLK_U_CMD_GET_FEATURES, buffer }, options);
    return Number(buffer.getBigUint64(0, true));
  }

  /** ADD_DEV: makes `/dev/ublkcN`. Answers what the driver made of the request. */
  async addDevice(add: AddDevice, options?: CommandOptions): Promise<DeviceInfo> {
    const { id = ANY_ID } = add;
    const buffer = encodeAdd(add);
    return await this.#adding.run(
      buffer,
      (ended) => this.#command({ name: "ADD_DEV", op: abi.UBLK_U_CMD_ADD_DEV, device: id, buffer, ended }, options),
      (late) => this.#issue({ name: "DEL_DEV", op: abi.UBLK_U_CMD_DEL_DEV, device: late }, {}),
    );
  }

  /**
   * Waits for an ADD_DEV that is under way, synchronously: in a process that is exiting no event loop runs any more. Answers the id of
   * the device that it made. @internal
   */
  finishAddNow(limitMs: number): number | undefined {
    if (!this.#adding.underWay) return undefined;
    for (const until = performance.now() + limitMs; this.#ring.inFlight > 0 && performance.now() < until; this.#ring.raw.reap())
      this.#ring.raw.enter(1, STEP_NS);
    return this.#adding.made();
  }

  /**
   * SET_PARAMS: before START_DEV only. What the kernel would refuse is refused here, by name ({@link checkParams}): its own refusal names nothing and
   * wipes what was set before.
   *
   * @throws RangeError: the field, its value and the rule; UblkError EACCES: the device is started.
   */
  async setParams(device: number, params: DiskParams, options: SetParamsOptions = {}): Promise<void> {
    checkParams(params, options.info ?? (await this.getDeviceInfo(device, options)));
    await this.#command({ name: "SET_PARAMS", op: abi.UBLK_U_CMD_SET_PARAMS, device, buffer: encodeParams(params) }, options);
  }

  /** GET_PARAMS: the stored parameters, and the block device's numbers (DEVT). */
  async getParams(device: number, options?: CommandOptions): Promise<DiskParams & { disk: { major: number; minor: number } }> {
    const buffer = ublk_params.build({ len: ublk_params.size });
    await this.#command({ name: "GET_PARAMS", op: abi.UBLK_U_CMD_GET_PARAMS, device, buffer }, options);
    return {
      ...decodeParams(buffer),
      disk: { major: ublk_params.get(buffer, "devt.disk_major"), minor: ublk_params.get(buffer, "devt.disk_minor") },
    };
  }

  /** GET_DEV_INFO2 (6.3) with the char device's path, which unprivileged devices demand; GET_DEV_INFO where that fails. */
  async getDeviceInfo(device: number, options?: CommandOptions): Promise<DeviceInfo> {
    try {
      return await this.getDeviceInfo2(device, options);
    } catch (error) {
      if (error instanceof UblkError && error.code === "ENODEV") throw error;
      return await this.getDeviceInfo1(device, options);
    }
  }

  /** GET_DEV_INFO: lock-free, so it answers while other commands hang. */
  async getDeviceInfo1(device: number, options?: CommandOptions): Promise<DeviceInfo> {
    const buffer = ublksrv_ctrl_dev_info.allocate();
    await this.#command({ name: "GET_DEV_INFO", op: abi.UBLK_U_CMD_GET_DEV_INFO, device, buffer }, options);
    return decodeInfo(buffer);
  }

  /** GET_DEV_INFO2 (6.3): the same, with the path of the char device in front. */
  async getDeviceInfo2(device: number, options?: CommandOptions): Promise<DeviceInfo> {
    const { buffer, pathBytes } = behindPath(device, ublksrv_ctrl_dev_info.size);
    await this.#command({ name: "GET_DEV_INFO2", op: abi.UBLK_U_CMD_GET_DEV_INFO2, device, buffer, pathBytes }, options);
    return decodeInfo(buffer, pathBytes);
  }

  /** GET_QUEUE_AFFINITY: the CPUs whose requests arrive on a hardware queue. */
  async getQueueAffinity(device: number, queue: number, options?: CommandOptions): Promise<number[]> {
    const buffer = new DataView(new ArrayBuffer(CPU_MASK_BYTES));
    await this.#command({ name: "GET_QUEUE_AFFINITY", op: abi.UBLK_U_CMD_GET_QUEUE_AFFINITY, device, buffer, data: queue }, options);
    return cpusOf(new Uint8Array(buffer.buffer));
  }

  /** START_DEV: waits until every tag of every queue is fetched, then makes `/dev/ublkbN`. `pid` opened the char device. */
  async startDevice(device: number, pid = process.pid, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "START_DEV", op: abi.UBLK_U_CMD_START_DEV, device, data: pid }, options);
  }

  /**
   * STOP_DEV: writes back what is dirty, drains, removes the disk. The queues must keep serving until it is through.
   * A process that serves the device itself must not send it: killed meanwhile, it could never end. `UblkDevice.stop` uses a child.
   */
  async stopDevice(device: number, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "STOP_DEV", op: abi.UBLK_U_CMD_STOP_DEV, device }, options);
  }

  /**
   * TRY_STOP_DEV (7.0): as STOP_DEV, but EBUSY while somebody has the device open; {@link holdersOf} says who. Root may still open it while the
   * driver stops it. As with STOP_DEV, `UblkDevice.stop` uses a child.
   */
  async tryStopDevice(device: number, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "TRY_STOP_DEV", op: abi.UBLK_U_CMD_TRY_STOP_DEV, device }, options);
  }

  /**
   * UPDATE_SIZE (6.16): the disk has this many bytes from now on. The driver checks nothing: no alignment, no client, not even whether the
   * server can serve them. `UblkDevice.resize` does, and sends it from a child, for it waits for a STOP_DEV that is under way: Linux 6.18 may
   * crash then.
   *
   * @throws UblkError ENODEV: the device is not started.
   */
  async updateSize(device: number, bytes: number, options?: CommandOptions): Promise<void> {
    await checkHasDisk(this, device, options);
    await this.#command({ name: "UPDATE_SIZE", op: abi.UBLK_U_CMD_UPDATE_SIZE, device, data: sectorsOf(bytes) }, options);
  }

  /** DEL_DEV: stops if needed, removes the char device, and waits until nobody has either device open or mapped. */
  async deleteDevice(device: number, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "DEL_DEV", op: abi.UBLK_U_CMD_DEL_DEV, device }, options);
  }

  /**
   * DEL_DEV_ASYNC (6.9): the same without the final wait; the id is free once the last opener is gone. EINVAL: the device is an unprivileged
   * one, which only DEL_DEV takes. Drivers of 6.9 and 6.10 may refuse it: they compared it with another number until a fix of July 2024.
   */
  async deleteDeviceAsync(device: number, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "DEL_DEV_ASYNC", op: abi.UBLK_U_CMD_DEL_DEV_ASYNC, device }, options);
  }

  /**
   * START_USER_RECOVERY (6.1): whether another server may take the device over. EBUSY as long as somebody has the char device open or mapped,
   * or a ring of theirs has it; EINVAL: it was made without `UBLK_F_USER_RECOVERY`.
   */
  async startUserRecovery(device: number, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "START_USER_RECOVERY", op: abi.UBLK_U_CMD_START_USER_RECOVERY, device }, options);
  }

  /** END_USER_RECOVERY (6.1): waits until every tag is fetched again, then sends what has waited. `pid` opened the char device. */
  async endUserRecovery(device: number, pid = process.pid, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "END_USER_RECOVERY", op: abi.UBLK_U_CMD_END_USER_RECOVERY, device, data: pid }, options);
  }

  /**
   * QUIESCE_DEV (6.16): no request reaches the server any more, and fetches without one end. It does not wait for those that are open, and
   * nothing takes it back: the server has to let go. `UblkDevice.handOver` does all of it.
   */
  async quiesceDevice(device: number, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "QUIESCE_DEV", op: abi.UBLK_U_CMD_QUIESCE_DEV, device }, options);
  }

  /**
   * REG_BUF (7.1): memory of this process whose pages the driver is to recognise in requests of the device (`UBLK_F_SHMEM_ZC`). Answers the
   * index that such requests carry. Waits for the requests in flight, and holds new ones up meanwhile: a process that serves the device
   * should leave it to `UblkDevice.shareMemory`, which sends it from a child; killed meanwhile, it could never end.
   *
   * @throws UblkError EEXIST: a page is registered already; EFAULT: not mapped, or not writable; EOPNOTSUPP: not a device for it.
   */
  async regBuf(device: number, memory: RegBuf, options?: CommandOptions): Promise<number> {
    return await this.#command({ name: "REG_BUF", op: abi.UBLK_U_CMD_REG_BUF, device, buffer: encodeRegBuf(memory) }, options);
  }

  /** UNREG_BUF (7.1): takes memory back, by its index. It waits as REG_BUF does. ENOENT: nothing is registered there. */
  async unregBuf(device: number, index: number, options?: CommandOptions): Promise<void> {
    await this.#command({ name: "UNREG_BUF", op: abi.UBLK_U_CMD_UNREG_BUF, device, data: checkIndex(index) }, options);
  }

  /**
   * Closes the ring and the control device. A command the kernel does not give back keeps its memory, and nothing else; but an ADD_DEV
   * that was given up keeps everything, and the process alive, until it has ended: the device that it makes late is deleted then.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { late } = this.#adding;
    if (late === undefined) await this.#end();
    else void late.then(() => this.#end());
  }

  async #end(): Promise<void> {
    if (this.#stuck > 0) this.#ring.abandon();
    else await this.#ring.close();
    sys.close(this.#fd);
  }

  /** {@link UblkControl.close}, at the end of an `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #command(command: Command, options: CommandOptions = {}): Promise<number> {
    if (this.#closed) throw new TypeError("the control is closed");
    return await this.#turns.run(() => this.#issue(command, options));
  }

  #issue(command: Command, { timeoutMs = this.#timeoutMs, signal }: CommandOptions): Promise<number> {
    return sendCommand(this.#road, command, timeoutMs, signal);
  }
}
