import { FEATURES } from "../../ublk/features.ts";
import type { Check, Finding, Machine } from "./machine.ts";

const CAP_SYS_ADMIN = 21;

/** Whether the process may make devices: CAP_SYS_ADMIN, in the first user namespace. */
export const rights: Check = ({ read }: Machine): Finding[] => {
  const [, mask = "0"] = /^CapEff:\s*([0-9a-f]+)/m.exec(read("/proc/self/status") ?? "") ?? [];
  const capable = (BigInt(`0x${mask}`) >> BigInt(CAP_SYS_ADMIN)) % 2n === 1n;
  const first = /^0\s+0\s+4294967295$/.test((read("/proc/self/uid_map") ?? "0 0 4294967295").trim());
  if (capable && first) return [{ check: "rights", level: "ok", message: "this process may make devices" }];
  const message = capable
    ? "this is root of a user namespace (a container), to whom the kernel gives no devices"
    : "this process has no CAP_SYS_ADMIN";
  const remedy = capable ? "run it outside, or in a container that shares the host's user namespace" : "be root: sudo uring-ublk ...";
  return [{ check: "rights", level: "problem", message, remedy }];
};

/** Flags that matter to most disks, and what is missed without them. */
const MISSED: Readonly<Record<string, string>> = {
  AUTO_BUF_REG: "data of loop and the like is copied",
  UPDATE_SIZE: "disks keep their size",
  QUIESCE: "disks cannot be handed over to another server",
  SAFE_STOP_DEV: "'stop --safe' is refused",
};

/** Whether the driver answers, and what it lacks. */
export const driver: Check = async (machine: Machine): Promise<Finding[]> => {
  if (!machine.exists("/dev/ublk-control")) return []; // said by another check
  const answer = await machine.features();
  if ("code" in answer) return [{ check: "driver", level: "problem", message: `the driver does not answer: ${answer.message}` }];
  const has = FEATURES.filter(({ bit }) => Math.floor(answer.value / bit) % 2 === 1);
  const missed = FEATURES.filter((feature) => MISSED[feature.name] !== undefined && !has.includes(feature));
  return [
    { check: "driver", level: "ok", message: `the driver answers; it has ${has.length} of the ${FEATURES.length} flags that are known` },
    ...missed.map(
      ({ name, since }): Finding => ({
        check: "features",
        level: "note",
        message: `the driver has no ${name}: ${MISSED[name]}`,
        remedy: `Linux ${since} or newer`,
      }),
    ),
  ];
};
