import { SystemError, sys } from "../ffi/index.ts";
import { checkInteger } from "../uring/options.ts";
import { charHolders } from "./char-holders.ts";
import { UblkControl } from "./control.ts";
import { modeOf } from "./data-mode.ts";
import { DESCRIPTOR_BYTES } from "./descriptor-map.ts";
import type { Target } from "./device-types.ts";
import { UblkError } from "./error.ts";
import { checkGeometryFits, checkMethodsFit } from "./fits.ts";
import { checkGeometry } from "./geometry.ts";
import { checkReload } from "./hot-reload.ts";
import { type DeviceInfo, isOurs } from "./info.ts";
import { asDefinition, moduleOf } from "./inline.ts";
import { checkCloneable, type DeviceParts, giveBack, importWithin, openWithin } from "./make-device.ts";
import type { Capabilities } from "./methods.ts";
import { charPath, openChar } from "./nodes.ts";
import type { DiskParams } from "./params.ts";
import { checkRecoverOptions, optionsFor, type RecoverOptions } from "./recover-options.ts";
import { outlives } from "./recovery.ts";
import { checkRegistration } from "./registration.ts";
import type { Starting } from "./starting.ts";
import { noteState, readState } from "./state-file.ts";
import type { Opened } from "./target.ts";
import { checkThreads } from "./threads.ts";

const EBUSY = -16;
const EINVAL = -22;
const EPERM = -1;
const POLL_MS = 5;
const AGAIN_MS = 50;

/**
 * Takes over a device whose server is gone: waits until nothing of that holds it, opens the target, opens the char device, and lets `begin`
 * go on. Whatever fails leaves the device to the next who tries.
 */
export async function takeOver<Device>(
  id: number,
  target: Target,
  asked: RecoverOptions<never>,
  begin: (parts: DeviceParts) => Device,
): Promise<Device> {
  checkInteger("recover", "id", id, 0, 2 ** 20 - 1);
  const early = checkRecoverOptions(asked);
  const module = moduleOf(target);
  const definition = module === undefined ? asDefinition(target, "recover") : await importWithin(module, early.timeoutMs);
  const control = await UblkControl.open({ timeoutMs: early.timeoutMs, encoding: early.encoding });
  let opened: Opened<unknown> | undefined;
  let charFd = -1;
  try {
    const info = await recoverable(control, id);
    const options = optionsFor(info, asked);
    const mode = modeOf(info.flags);
    checkThreads(options, module, control.features);
    checkReload(options, module);
    checkRegistration(options.registration, mode);
    const until = performance.now() + options.timeoutMs;
    await released(control, id, until);
    opened = await openWithin(definition, module, options);
    const geometry = checkGeometry(opened);
    if (module !== undefined) checkCloneable(opened.shared);
    const has = await control.getParams(id);
    checkGeometryFits(id, has, geometry, mode);
    charFd = await openReleased(control, id, until);
    const parts = { control, options, info, mode, charFd, target: definition, opened, geometry, module };
    return begin({ ...parts, starting: new Restart(parts, has) });
  } catch (error) {
    if (charFd >= 0) sys.close(charFd);
    await giveBack(definition, opened, control);
    throw error;
  }
}

async function recoverable(control: UblkControl, id: number): Promise<DeviceInfo> {
  const info = await control.getDeviceInfo(id);
  const refuse = (errno: number, hint: string): never => {
    throw new UblkError({ command: "recover", device: id, errno, hint });
  };
  if (!isOurs(info)) refuse(EPERM, "another program made it, and may have made it otherwise; recover it with that program");
  if (!outlives(info.flags)) refuse(EINVAL, "it was made without recovery: serve with recovery: 'queue', 'reissue' or 'fail-io'");
  if (info.descriptorBytes !== DESCRIPTOR_BYTES)
    refuse(
      EINVAL,
      `its descriptors have ${info.descriptorBytes} bytes, and are read by the program that asked for that; recover it with that program`,
    );
  if (info.state === "dead") refuse(EINVAL, "it has no disk: it was stopped, or never started; `uring-ublk del` removes it");
  return info;
}

// START_USER_RECOVERY is refused as long as the char device is open, mapped, or in a ring: of the old server, or of whoever inherited it.
async function released(control: UblkControl, id: number, until: number): Promise<void> {
  for (;;) {
    try {
      await control.startUserRecovery(id);
      return;
    } catch (error) {
      // Before Linux 6.16 a second one is EINVAL: of this process, or of one that ended before it had fetched. Opening tells whether it lives.
      if (error instanceof UblkError && error.code === "EINVAL") return;
      if (!(error instanceof UblkError) || error.code !== "EBUSY") throw error;
      if (performance.now() > until) throw held(id, error);
      await Bun.sleep(POLL_MS);
    }
  }
}

function held(id: number, cause: Error): UblkError {
  const holders = charHolders(id);
  const who =
    holders.length === 0
      ? `nobody that can be seen from here has ${charPath(id)} open: look in other PID namespaces`
      : `${holders.join("; ")}: end ${holders.length === 1 ? "it" : "them"}, and recover again`;
  return new UblkError({ command: "START_USER_RECOVERY", device: id, errno: EBUSY, hint: who, cause });
}

// Somebody else may recover it too: the char device can be opened once.
async function openReleased(control: UblkControl, id: number, until: number): Promise<number> {
  for (;;) {
    await released(control, id, until);
    try {
      return await openChar(id, AGAIN_MS);
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "EBUSY") throw error;
      if (performance.now() > until) throw held(id, error);
    }
  }
}

type RestartParts = Pick<DeviceParts, "control" | "info" | "geometry" | "module" | "options">;

/** The start of a device that has a disk, and had a server. */
class Restart implements Starting {
  readonly again = true;
  pauseMs: number | undefined;
  shared: readonly number[] = [];
  readonly #parts: RestartParts;
  readonly #has: DiskParams;

  constructor(parts: RestartParts, has: DiskParams) {
    this.#parts = parts;
    this.#has = has;
  }

  async params(can: Capabilities): Promise<DiskParams> {
    const { info, geometry } = this.#parts;
    checkMethodsFit(info.id, this.#has, can, can.flush && geometry.fua);
    return this.#has;
  }

  async live(signal: AbortSignal): Promise<void> {
    const { control, info } = this.#parts;
    const { frozen, shared } = readState(info.id) ?? {};
    this.shared = shared ?? [];
    await control.endUserRecovery(info.id, process.pid, { signal });
    if (frozen !== undefined) this.pauseMs = Math.max(0, Date.now() - frozen);
    noteState(info.id, this.#parts, shared);
  }
}
