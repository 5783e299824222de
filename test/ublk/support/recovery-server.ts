/** Serves the disk of recovery-target.ts, or takes one over, as its argument says, which is JSON; SIGUSR2 has it hand over. */
import { readdirSync, readlinkSync } from "node:fs";
import { recover, type ServeOptions, serve } from "uring-ublk";
import type { WorkerThread } from "../../../src/ublk/worker-thread.ts";
import type { RecoveryOptions } from "./recovery-target.ts";

/** What the program is told. */
export interface RecoveryTask {
  /** The device to take over. */
  readonly recover?: number;
  /** A module instead of recovery-target.ts. */
  readonly module?: string;
  readonly target: RecoveryOptions | Record<string, unknown>;
  readonly serve?: ServeOptions<never>;
  /** A child inherits the char device. */
  readonly leak?: boolean;
  /** How it ends without having stopped its disk. */
  readonly crash?: "exit" | "throw" | "terminate";
  /** How long a hand-over waits for what is open; default long, for busy machines. */
  readonly grace?: number;
  /** Memory is shared with clients. */
  readonly share?: boolean;
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the directory's own
  }
}

const task = JSON.parse(process.argv[2]!) as RecoveryTask;
const module = task.module ?? new URL("./recovery-target.ts", import.meta.url).href;
const options = { timeoutMs: 120_000, ...task.serve, options: task.target as never };
const disk = task.recover === undefined ? await serve(module, options) : await recover(task.recover, module, options);
disk.on("state", (state) => console.log(`state ${state}`));
process.on("SIGUSR2", () => {
  const asked = performance.now();
  disk.handOver({ grace: task.grace ?? 60_000 }).then(
    () => console.log(`handed over in ${Math.round(performance.now() - asked)} ms`),
    (error: Error) => console.log(`not handed over: ${error.message}`),
  );
});
if (task.leak) {
  const fd = Number(readdirSync("/proc/self/fd").find((name) => linkOf(name) === disk.charPath));
  const child = Bun.spawn(["sleep", "1000"], { stdio: ["ignore", "ignore", "ignore", fd] });
  child.unref();
  console.log(`leaked to ${child.pid}`);
}
if (task.share) {
  const [one, two] = [await disk.shareMemory({ size: 65536 }), await disk.shareMemory({ size: 65536 })];
  console.log(`shares ${one.index} ${two.index}`);
}
console.log(`disk ${disk.path}`);
if (disk.pauseMs !== undefined) console.log(`pause ${disk.pauseMs} ms`);
const crashes = {
  exit: () => process.exit(3),
  throw: () => {
    throw new Error("nobody catches this");
  },
  terminate: () => (disk.threads[0] as WorkerThread).worker.terminate(),
};
if (task.crash !== undefined) setTimeout(crashes[task.crash], 300);
await disk.finished;
console.log("finished");
