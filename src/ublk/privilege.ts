import { text } from "./proc.ts";

const CAP_SYS_ADMIN = 21;
const FIRST_NAMESPACE = "0 0 4294967295";

/** Why a process is none that the driver takes for root, or that it is one. */
export type Privilege = "admin" | "user" | "container-root";

/**
 * What a process is to the driver, by the texts of its `/proc/self/status` and `/proc/self/uid_map`: CAP_SYS_ADMIN counts in the first user
 * namespace alone.
 */
export function privilegeOf(status: string | undefined, uidMap: string | undefined): Privilege {
  const [, mask = "0"] = /^CapEff:\s*([0-9a-f]+)/m.exec(status ?? "") ?? [];
  if ((BigInt(`0x${mask}`) >> BigInt(CAP_SYS_ADMIN)) % 2n === 0n) return "user";
  const map = (uidMap ?? FIRST_NAMESPACE).trim().replace(/\s+/g, " ");
  return map === FIRST_NAMESPACE ? "admin" : "container-root";
}

/** Whether the driver takes the calling thread for root: CAP_SYS_ADMIN in the first user namespace. It may be given up at any time. */
export const isAdmin = (): boolean => privilegeOf(text("/proc/thread-self/status"), text("/proc/self/uid_map")) === "admin";
