/**
 * Kills its process right before the n-th step that it takes from here on: SIGKILL, as from outside. A step is a system call of the library, a
 * control command, what comes back from one, a child process, or a queue that starts or is closed; all of them are the real ones. `STEPS` says
 * where: `main:12`, or `worker:3` for a thread that is not the main one.
 */
import { isMainThread } from "node:worker_threads";
import { sys } from "uring-ublk/ffi";
import { UblkControl, UblkQueue } from "uring-ublk/ublk";

const [where, at] = (process.env.STEPS ?? "").split(":");
const mine = (where === "worker") !== isMainThread;
const last = mine && at !== undefined ? Number(at) : 0;
/** What has been stepped over, in order. */
export const steps: string[] = [];

function step(name: string): void {
  steps.push(name);
  if (steps.length === last) process.kill(process.pid, "SIGKILL");
}

type Call = (this: unknown, ...args: unknown[]) => unknown;

function wrap(owner: object, name: string, both: boolean): void {
  const holder = owner as Record<string, Call>;
  const real = holder[name]!;
  holder[name] = function (...args) {
    step(name);
    const result = real.apply(this, args);
    if (both && result instanceof Promise)
      return result.finally(() => {
        step(`${name} is through`);
      });
    return result;
  };
}

/** From here on steps count. */
export function count(): void {
  if (!mine) return;
  for (const name of ["open", "close", "mmap", "munmap", "eventfd"]) wrap(sys, name, false);
  for (const name of ["addDevice", "setParams", "startDevice", "deleteDevice", "getDeviceInfo1", "getQueueAffinity"])
    wrap(UblkControl.prototype, name, true);
  for (const name of ["start", "close"]) wrap(UblkQueue.prototype, name, false);
  if (isMainThread) wrap(Bun, "spawn", false);
}
