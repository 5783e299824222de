// From their own files, which are much less than all of the library: list and the others that only look start with what is here.
import { UblkControl } from "../ublk/control.ts";
import { UblkError } from "../ublk/error.ts";
import { type DeviceInfo, isOurs, isUnprivileged, type KernelState } from "../ublk/info.ts";
import { blockPath, deviceIds } from "../ublk/nodes.ts";
import { SECTOR } from "../ublk/params.ts";
import { startTicks, text } from "../ublk/proc.ts";
import { type DeviceState, readState } from "../ublk/state-file.ts";

/** What `list` tells of a device, and what `del` decides by. */
export interface Device {
  readonly id: number;
  readonly path: string;
  readonly state: KernelState;
  /** The server's process: the driver's word, or the state file's. */
  readonly pid: number | undefined;
  /** Whether that process lives. */
  readonly alive: boolean;
  /** Whether uring-ublk made the device. */
  readonly ours: boolean;
  /** Whose device it is: root's, unless it is an unprivileged one. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Whether it is a user's who is not root. */
  readonly unprivileged: boolean;
  /** URL of the target's module, where the state file names one. */
  readonly module: string | undefined;
  readonly queues: number;
  readonly depth: number;
  /** Capacity in bytes, where it can be told. */
  readonly size: number | undefined;
}

const COMMAND_MS = 5_000;
const CLOCK_TICKS = 100; // USER_HZ: the same on every Linux x86-64
const LENIENCE_MS = 2_000; // both clocks are rounded

/** Opens the control for short, quick commands. */
export const openControl = (): Promise<UblkControl> => UblkControl.open({ timeoutMs: COMMAND_MS });

/** When a process began, in milliseconds since 1970; undefined when it has ended. */
function startOf(pid: number): number | undefined {
  const ticks = startTicks(pid);
  const boot = /^btime (\d+)$/m.exec(text("/proc/stat") ?? "")?.[1];
  return ticks === undefined || boot === undefined ? undefined : Number(boot) * 1000 + (Number(ticks) / CLOCK_TICKS) * 1000;
}

/** Whether the process that wrote the state file lives; a later one may have been given its number. */
function writerLives({ pid, started }: DeviceState): boolean {
  const start = startOf(pid);
  return start !== undefined && start <= Date.parse(started) + LENIENCE_MS;
}

// GET_PARAMS waits while another command has the device, and one that waits keeps this process from ending. A device with a disk
// is looked up where nothing waits; one without has nobody to wait for.
async function sizeOf(control: UblkControl, { id, state }: DeviceInfo): Promise<number | undefined> {
  const sectors = text(`/sys/class/block/ublkb${id}/size`);
  if (sectors !== undefined) return Number(sectors) * SECTOR;
  if (state !== "dead") return undefined;
  const { size } = await control.getParams(id);
  return size === 0 ? undefined : size;
}

function describe(info: DeviceInfo, size: number | undefined): Device {
  const ours = isOurs(info);
  const state = ours ? readState(info.id) : undefined;
  const served = info.pid > 0; // only a live server has a pid there
  return {
    id: info.id,
    path: blockPath(info.id),
    state: info.state,
    pid: served ? info.pid : state?.pid,
    alive: served ? startOf(info.pid) !== undefined : state !== undefined && writerLives(state),
    ours,
    owner: { uid: info.ownerUid, gid: info.ownerGid },
    unprivileged: isUnprivileged(info),
    module: state?.module,
    queues: info.queues,
    depth: info.depth,
    size,
  };
}

/** Looks at one device; undefined when there is none. */
export async function look(control: UblkControl, id: number): Promise<Device | undefined> {
  try {
    const info = await control.getDeviceInfo(id);
    return describe(info, await sizeOf(control, info));
  } catch (error) {
    if (error instanceof UblkError && error.code === "ENODEV") return undefined;
    throw error;
  }
}

/** What is said where there is no such device. */
export const noDevice = (id: number): string => `there is no device ${id}; uring-ublk list shows what there is`;

/**
 * Looks at one device.
 *
 * @throws Error: there is none.
 */
export async function known(control: UblkControl, id: number): Promise<Device> {
  const device = await look(control, id);
  if (device === undefined) throw new Error(noDevice(id));
  return device;
}

const FORBIDDEN = ["EACCES", "EPERM"];

/** Those of all devices that the caller may look at; of the others their number. A device that goes meanwhile is neither. */
export async function surveyAll(control: UblkControl): Promise<{ devices: Device[]; hidden: number[] }> {
  const hidden: number[] = [];
  const found = await Promise.all(
    deviceIds().map((id) =>
      look(control, id).catch((error: unknown) => {
        if (!(error instanceof UblkError) || !FORBIDDEN.includes(error.code)) throw error;
        hidden.push(id);
        return undefined;
      }),
    ),
  );
  return { devices: found.filter((device) => device !== undefined), hidden };
}

/** Looks at every device that the caller may look at; those that go meanwhile are left out. */
export const survey = async (control: UblkControl): Promise<Device[]> => (await surveyAll(control)).devices;
