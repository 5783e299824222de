import { UBLK_F_SHMEM_ZC } from "./abi.ts";
import { UblkError } from "./error.ts";
import { FEATURES } from "./features.ts";

const EOPNOTSUPP = -95;

const MISSING = `this kernel's ublk has no SHMEM_ZC; it came with Linux ${FEATURES.find(({ bit }) => bit === UBLK_F_SHMEM_ZC)!.since}`;

/** The driver's flag for a device that shares memory with its clients. */
export const sharingFlag = ({ sharedMemory }: { readonly sharedMemory: boolean }): number => (sharedMemory ? UBLK_F_SHMEM_ZC : 0);

/** Refuses `sharedMemory` where the driver does not have it. */
export function checkSharing(options: { readonly sharedMemory: boolean }, features: number): void {
  if (!options.sharedMemory || (features & UBLK_F_SHMEM_ZC) !== 0) return;
  throw new UblkError({ command: "ADD_DEV", errno: EOPNOTSUPP, subject: "sharedMemory", hint: `${MISSING}. Leave sharedMemory out` });
}

/** Says what becomes of requests in shared memory. */
export function explainSharing(shared: number | undefined, features: number): string {
  if (shared !== undefined)
    return `requests whose data lies in memory from disk.shareMemory() are not copied; there are ${shared} pieces of it`;
  return (features & UBLK_F_SHMEM_ZC) === 0 ? MISSING : "possible: serve with sharedMemory: true";
}
