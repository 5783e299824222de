import { UBLK_F_SHMEM_ZC } from "./abi.ts";
import { checkFeature, lacking } from "./lacking.ts";

/** The driver's flag for a device that shares memory with its clients. */
export const sharingFlag = ({ sharedMemory }: { readonly sharedMemory: boolean }): number => (sharedMemory ? UBLK_F_SHMEM_ZC : 0);

/** Refuses `sharedMemory` where the driver does not have it. */
export function checkSharing(options: { readonly sharedMemory: boolean }, features: number): void {
  if (options.sharedMemory) checkFeature("sharedMemory", UBLK_F_SHMEM_ZC, features, ". Leave sharedMemory out");
}

/** Says what becomes of requests in shared memory. */
export function explainSharing(shared: number | undefined, features: number): string {
  if (shared !== undefined)
    return `requests whose data lies in memory from disk.shareMemory() are not copied; there are ${shared} pieces of it`;
  return (features & UBLK_F_SHMEM_ZC) === 0 ? lacking(UBLK_F_SHMEM_ZC, features) : "possible: serve with sharedMemory: true";
}
