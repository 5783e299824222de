import { type Holder, holdersInWords } from "../../ublk/holders.ts";
import type { Device } from "../survey.ts";
import type { Check, Finding, Machine } from "./machine.ts";

const held = (by: string): string => (by === "" ? "" : `; ${by}`);

function orphan(machine: Machine, { id, path, state, pid, ours }: Device): Finding[] {
  const check = "orphan";
  const users = holdersInWords(machine.holders(id));
  const server = machine.serverSide(id).join("; ");
  const who = pid === undefined ? "" : ` (it was process ${pid})`;
  if (!ours) {
    if (state === "live") return [];
    return [
      {
        check,
        level: "note",
        device: id,
        message: `${path} has no server, and was not made by uring-ublk${held(users)}`,
        remedy: `ask the program that made it; or uring-ublk del ${id} --force`,
      },
    ];
  }
  if (state === "dead")
    return [
      {
        check,
        level: "warning",
        device: id,
        message: `${path} is dead: its server is gone${who}${held(users === "" ? server : users)}`,
        remedy: users === "" ? `uring-ublk del ${id}` : `unmount or close it; then uring-ublk del ${id}`,
      },
    ];
  const waits = state === "quiesced" ? "its clients wait" : "its clients get errors";
  const blocked = server === "" ? "" : `; ${server}, and must end before`;
  return [
    {
      check,
      level: "problem",
      device: id,
      message: `${path} has no server${who}, and ${waits}${held(users)}${blocked}`,
      remedy: `uring-ublk recover ${id} --daemon`,
    },
  ];
}

/** A server that is there, and does not serve. */
function stalled({ read }: Machine, { id, path, pid }: Device): Finding[] {
  const state = /^State:\s+(\S)/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  if (state !== "T" && state !== "t") return [];
  return [
    {
      check: "server",
      level: "problem",
      device: id,
      message: `the server of ${path}, process ${pid}, is stopped by a signal, and its clients wait`,
      remedy: `kill -CONT ${pid}`,
    },
  ];
}

function danger(id: number, path: string, holder: Holder): Finding[] {
  if (holder.kind === "swap")
    return [
      {
        check: "danger",
        level: "problem",
        device: id,
        message: `${holder.device} is used for swap: the kernel may wait for the server, and the server for memory, for ever`,
        remedy: `swapoff ${holder.device}`,
      },
    ];
  if (holder.kind === "mount" && holder.path === "/")
    return [
      {
        check: "danger",
        level: "problem",
        device: id,
        message: `${path} is the root file system: its server needs files that only it can read`,
        remedy: "a root file system elsewhere",
      },
    ];
  return [];
}

/** Every device: what has no server, and whoever holds it; what is dangerous. */
export const devices: Check = async (machine: Machine): Promise<Finding[]> => {
  if (!machine.exists("/dev/ublk-control")) return [];
  const all = await machine.devices();
  const findings = all.flatMap((device) => {
    const dangers = machine.holders(device.id).flatMap((holder) => danger(device.id, device.path, holder));
    return [...(device.state === "live" && device.alive ? stalled(machine, device) : orphan(machine, device)), ...dangers];
  });
  if (findings.length > 0) return findings;
  return [
    {
      check: "devices",
      level: "ok",
      message: all.length === 0 ? "there are no devices" : `all devices have their servers (${all.length})`,
    },
  ];
};

/** What is left in the state directory of devices that are gone. */
export const state: Check = async (machine: Machine): Promise<Finding[]> => {
  const { stateDirectory } = machine;
  if (!machine.writable(stateDirectory))
    return [
      {
        check: "state",
        level: "warning",
        message: `${stateDirectory} cannot be written: servers leave no word of what they serve, and cannot be reached`,
        remedy: "make it writable, or set URING_UBLK_STATE_DIR",
      },
    ];
  if (!machine.exists("/dev/ublk-control")) return [];
  const ids = (await machine.devices()).map(({ id }) => `${id}.json`);
  const stale = machine.list(stateDirectory).filter((name) => /^\d+\.json$/.test(name) && !ids.includes(name));
  return stale.map((name) => ({
    check: "state",
    level: "note",
    message: `${stateDirectory}/${name} tells of a device that is gone`,
    remedy: `rm ${stateDirectory}/${name}`,
  }));
};
