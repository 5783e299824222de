import { existsSync, readFileSync } from "node:fs";
import { O_DIRECT, O_RDWR, sys } from "uring-ublk/ffi";
import { inVm } from "../../support/requires.ts";

/** A disk in the kernel's memory (null_blk) with a queue for polling: what is sent there completes only when somebody polls. */
const PATH = "/dev/nullb0";
const MODULE = ["null_blk", "nr_devices=1", "queue_mode=2", "submit_queues=1", "poll_queues=1", "memory_backed=1", "gb=1", "bs=512"];

function command(...words: string[]): { ok: boolean; error: string } {
  const { exitCode, stderr } = Bun.spawnSync(words, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  return { ok: exitCode === 0, error: stderr.toString().trim() };
}

/** Why there is no polled disk here, or undefined. A module is loaded in the VM only: that kernel is ours. */
export function noPolledDisk(): string | undefined {
  if (!inVm()) return "a disk with a polled queue is made in the VM";
  const { ok, error } = command("modprobe", ...MODULE);
  if (!ok) return `this kernel's null_blk cannot be loaded: ${error}`;
  if (!existsSync(PATH) || readFileSync("/sys/block/nullb0/queue/io_poll", "utf8").trim() !== "1")
    return "this kernel's null_blk has no polled queue";
  return undefined;
}

/** Takes the disk and its module away again; udev may be looking at it still. */
export function removePolledDisk(): void {
  command("udevadm", "settle");
  const { ok, error } = command("modprobe", "-r", "null_blk");
  if (!ok) throw new Error(error);
}

/** Opens the disk past the page cache, as a polled ring needs it, or otherwise. */
export class OpenDisk implements Disposable {
  readonly fd: number;

  constructor(flags = O_DIRECT) {
    this.fd = sys.open(PATH, O_RDWR | flags);
  }

  [Symbol.dispose](): void {
    sys.close(this.fd);
  }
}
