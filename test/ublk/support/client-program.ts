// A client of a block device, in a process of its own: the thread that serves a disk must never touch it.
// Takes the steps that it is sent, again and again, until its parent is gone.
import { Arena, addressOf, BLKROGET, block, O_DIRECT, O_RDONLY, O_RDWR, SystemError, sys } from "uring-ublk/ffi";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, fallocate, fsync, Ring, write } from "uring-ublk/uring";
import type { Answer, Result, Step, Task } from "./client.ts";

const arena = Arena.allocate(4 * 2 ** 20);
const ring = await Ring.open({ entries: 8 });
const RWF_DSYNC = 2;

async function take(fd: number, step: Step): Promise<Result> {
  switch (step.do) {
    case "read": {
      const buffer = arena.bytes(0, step.length);
      const bytes = sys.pread(fd, buffer, step.offset);
      return { bytes, hash: Bun.hash(buffer.subarray(0, bytes)).toString(16), first: buffer[0]!, last: buffer[bytes - 1]! };
    }
    case "write": {
      const buffer = arena.bytes(0, step.length).fill(step.fill);
      if (step.fua) return { bytes: await ring.run(write({ fd, buffer, offset: step.offset, flags: RWF_DSYNC })) };
      return { bytes: sys.pwrite(fd, buffer, step.offset) };
    }
    case "flush":
      return { bytes: await ring.run(fsync({ fd })) };
    case "discard":
      block.discard(fd, step.offset, step.length);
      return { bytes: 0 };
    case "zero": {
      const mode = step.punch ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
      return { bytes: await ring.run(fallocate({ fd, mode, offset: step.offset, length: step.length })) };
    }
    case "size":
      return { bytes: block.size(fd) };
    case "block-size":
      return { bytes: block.logicalBlockSize(fd) };
    case "read-only": {
      const word = new Uint32Array(new ArrayBuffer(4));
      sys.ioctl(fd, BLKROGET, addressOf(word));
      return { bytes: word[0]! };
    }
  }
}

async function takeAll({ path, steps, access }: Task): Promise<Answer> {
  const fd = sys.open(path, (access === "read-only" ? O_RDONLY : O_RDWR) | O_DIRECT);
  const results: Result[] = [];
  try {
    for (const step of steps) {
      try {
        results.push(await take(fd, step));
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        results.push({ code: error.code });
      }
    }
  } finally {
    sys.close(fd);
  }
  return { results };
}

process.on("disconnect", () => process.exit(0));
process.on("message", (task: Task) => {
  takeAll(task)
    .catch((error: unknown) => ({ error: String(error) }))
    .then((answer) => process.send!(answer));
});
