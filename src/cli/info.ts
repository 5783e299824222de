import { charHolders } from "../ublk/char-holders.ts";
import { modeOf } from "../ublk/data-mode.ts";
import { type DeviceInfo, type DeviceState, featureNames, type Holder, holdersInWords, holdersOf, readState } from "../ublk/index.ts";
import { text as textOf } from "../ublk/proc.ts";
import { recoveryOf } from "../ublk/recovery.ts";
import { listens } from "./ask-server.ts";
import type { CommandLine } from "./command-line.ts";
import { jsonText, type Output, pairs, sizeText } from "./output.ts";
import { type Device, known, openControl } from "./survey.ts";

/** What the kernel tells of a disk's shape, without a command that could wait. */
interface Shape {
  readonly blockSize: number | null;
  readonly physicalBlockSize: number | null;
  readonly readOnly: boolean | null;
  readonly rotational: boolean | null;
  readonly volatileCache: boolean | null;
  readonly fua: boolean | null;
  readonly maxDiscardBytes: number | null;
  readonly maxWriteZeroesBytes: number | null;
}

const attribute = (id: number, name: string): string | undefined => textOf(`/sys/class/block/ublkb${id}/${name}`)?.trim();

function shapeOf(id: number): Shape {
  const text = (name: string): string | undefined => attribute(id, name);
  const number = (name: string): number | null => {
    const value = text(name);
    return value === undefined ? null : Number(value);
  };
  const flag = (name: string): boolean | null => {
    const value = number(name);
    return value === null ? null : value === 1;
  };
  const cache = text("queue/write_cache");
  return {
    blockSize: number("queue/logical_block_size"),
    physicalBlockSize: number("queue/physical_block_size"),
    readOnly: flag("ro"),
    rotational: flag("queue/rotational"),
    volatileCache: cache === undefined ? null : cache === "write back",
    fua: flag("queue/fua"),
    maxDiscardBytes: number("queue/discard_max_bytes"),
    maxWriteZeroesBytes: number("queue/write_zeroes_max_bytes"),
  };
}

/** All that is known of a device. */
interface Facts {
  readonly device: Device;
  readonly info: DeviceInfo;
  readonly shape: Shape;
  readonly state: DeviceState | undefined;
  readonly holders: readonly Holder[];
  readonly serverSide: readonly string[];
  readonly asks: boolean;
}

function json({ device, info, shape, state, holders, serverSide, asks }: Facts): unknown {
  const { pid, module, size } = device;
  return {
    ...device,
    pid: pid ?? null,
    module: module ?? null,
    size: size ?? null,
    mode: modeOf(info.flags),
    recovery: recoveryOf(info.flags),
    flags: featureNames(info.flags),
    maxIoBytes: info.maxIoBytes,
    ...shape,
    options: state?.options ?? null,
    serving: state?.serving ?? null,
    started: state?.started ?? null,
    canBeAsked: asks,
    holders,
    serverSide,
  };
}

const yesNo = (value: boolean | null): string => (value === null ? "?" : value ? "yes" : "no");
const bytes = (value: number | null | undefined): string => (value === null || value === undefined ? "?" : sizeText(value));

function text({ device, info, shape, state, holders, serverSide, asks }: Facts): string {
  const { id, path, pid, alive, ours, module, queues, depth, owner, unprivileged } = device;
  const server =
    pid === undefined
      ? "none"
      : alive
        ? `process ${pid}${asks ? "" : ", which cannot be asked for anything"}`
        : `process ${pid}, which has ended`;
  return pairs([
    ["device", `${id} (${path})`],
    ["state", device.state],
    ["server", server],
    ["made by", ours ? "uring-ublk" : `another program, of user ${info.ownerUid}`],
    ["owner", `user ${owner.uid}, group ${owner.gid}${unprivileged ? ", who may open the disk alone, with root" : ""}`],
    ["target", module ?? "not known"],
    ["options", state?.options === undefined ? "none that are known" : JSON.stringify(state.options)],
    ["served since", state?.started ?? "not known"],
    ["size", bytes(device.size)],
    ["blocks", `${bytes(shape.blockSize)} logical, ${bytes(shape.physicalBlockSize)} physical`],
    ["read only", yesNo(shape.readOnly)],
    ["rotational", yesNo(shape.rotational)],
    ["cache", shape.volatileCache === null ? "?" : shape.volatileCache ? `volatile${shape.fua === true ? ", FUA" : ""}` : "none"],
    ["discard", shape.maxDiscardBytes === 0 ? "no" : `up to ${bytes(shape.maxDiscardBytes)}`],
    ["write zeroes", shape.maxWriteZeroesBytes === 0 ? "no" : `up to ${bytes(shape.maxWriteZeroesBytes)}`],
    ["queues", `${queues} of depth ${depth}, requests up to ${bytes(info.maxIoBytes)}`],
    ["mode", modeOf(info.flags)],
    ["recovery", recoveryOf(info.flags)],
    ["flags", featureNames(info.flags).join(" ")],
    ["used by", holders.length === 0 ? "nobody" : holdersInWords(holders)],
    ["server's side", serverSide.length === 0 ? "nobody has it" : serverSide.join("; ")],
  ]);
}

/** `uring-ublk info`. */
export async function info(line: CommandLine, output: Output): Promise<number> {
  const id = line.ids[0]!;
  await using control = await openControl();
  const device = await known(control, id);
  const facts: Facts = {
    device,
    info: await control.getDeviceInfo(id),
    shape: shapeOf(id),
    state: device.ours ? readState(id) : undefined,
    holders: holdersOf(id),
    serverSide: charHolders(id),
    asks: device.alive && device.pid !== undefined && listens(id, device.pid),
  };
  output.data(line.json ? jsonText(json(facts)) : text(facts));
  return 0;
}
