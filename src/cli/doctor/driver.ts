import { FEATURES } from "../../ublk/features.ts";
import type { Check, Finding, Machine } from "./machine.ts";

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
