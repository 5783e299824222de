import { UBLK_F_USER_COPY } from "./abi.ts";
import type { DeviceParts } from "./make-device.ts";
import type { ServingPlan } from "./serving-threads.ts";
import type { SharedMemories } from "./shared-memories.ts";

/** How the threads of a device serve it. */
export function servingPlan(parts: DeviceParts, shared: SharedMemories | undefined): ServingPlan {
  const { info, charFd, geometry, mode, options, module, target, opened } = parts;
  const spec = {
    device: info.id,
    charFd,
    depth: info.depth,
    threads: options.threads,
    maxIoBytes: info.maxIoBytes,
    blockSize: geometry.blockSize,
    integrity: geometry.integrity,
    zoneSize: geometry.zoned?.zoneSize ?? 0,
    mode,
    batch: options.batch,
    userCopy: (info.flags & UBLK_F_USER_COPY) !== 0,
    encoding: options.encoding,
    members: geometry.members,
    serving: module !== undefined,
    synchronous: geometry.synchronous,
    registration: options.registration ?? "staged",
    serialize: options.serialize,
    sharedMemory: shared?.table.memory,
    lockMemory: options.lockMemory,
  };
  return { spec, queues: info.queues, target, module, shared: opened.shared, limitMs: options.timeoutMs };
}
