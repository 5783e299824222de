/** The loop disk and its neighbours: whoever has the lock decides about the file, and nobody else. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SystemError } from "uring-ublk";
import { LOCK_EX, LOCK_NB, O_RDWR, sys } from "uring-ublk/ffi";
import { type LoopOptions, loop } from "uring-ublk/targets";
import { closeFiles, type FilesShared } from "../../src/targets/files/measure.ts";
import { startProgram } from "../support/child.ts";
import { workDirectory } from "../support/disk-tools.ts";

setDefaultTimeout(60_000); // an emulated machine, and neighbours
const ROUNDS = 1000;

const open = async (options: LoopOptions) => (await loop(options).open(undefined)) as { size: number; shared: FilesShared };

/** Runs `work` with a neighbour at the file, and expects that the neighbour has nothing to complain of. */
async function besides(path: string, what: "resize" | "keep", work: () => Promise<void>): Promise<void> {
  const child = startProgram("targets/support/neighbour.ts", [path, what]);
  const reader = child.stdout.getReader();
  try {
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("ready\n");
    await work();
    child.stdin.write("enough\n");
    child.stdin.end();
    const said = await reader.read();
    expect({ status: await child.exited, said: said.value && new TextDecoder().decode(said.value) }).toEqual({
      status: 0,
      said: undefined,
    });
  } finally {
    child.kill("SIGKILL");
  }
}

test("the disk has the size that the file has once it is locked", async () => {
  await using directory = await workDirectory("/tmp");
  const path = join(directory.path, "image");
  writeFileSync(path, Buffer.alloc(4096));
  await besides(path, "resize", async () => {
    let opened = 0;
    for (let i = 0; i < ROUNDS; i++) {
      try {
        const { size, shared } = await open({ path });
        opened++;
        const actual = statSync(path).size;
        closeFiles(shared);
        expect(size).toBe(actual);
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "EBUSY") throw error;
      }
      if (i % 50 === 0) await Bun.sleep(1);
    }
    expect(opened).toBeGreaterThan(0);
  });
});

/** Removes what was left empty, if nobody uses it. */
function removeLocked(path: string): void {
  if (!existsSync(path)) return;
  const fd = sys.open(path, O_RDWR);
  try {
    sys.flock(fd, LOCK_EX | LOCK_NB);
    rmSync(path);
  } catch {
    // It is the neighbour's now.
  } finally {
    sys.close(fd);
  }
}

test("a half made file is not removed while somebody else has locked it", async () => {
  await using directory = await workDirectory("/tmp");
  const path = join(directory.path, "image");
  const refuse = (): void => {
    throw new Error("not this one");
  };
  await besides(path, "keep", async () => {
    for (let i = 0; i < ROUNDS; i++) {
      // EBUSY: the neighbour was quicker; EEXIST: it had been, and the file stayed empty.
      await expect(open({ path, create: 8192, opened: refuse })).rejects.toThrow(/not this one|EBUSY|EEXIST/);
      removeLocked(path);
      if (i % 50 === 0) await Bun.sleep(1);
    }
  });
});
