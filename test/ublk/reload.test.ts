// usual kernels: the newest
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { serve, type UblkDevice } from "uring-ublk";
import { kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { devices } from "./support/machine.ts";

const folder = mkdtempSync(join(process.cwd(), ".reload-"));
const file = join(folder, "disk.ts");
const HEAD = 'import { defineTarget } from "uring-ublk";\nimport { fill } from "./fill.ts";\n';

/** Writes the target's module: what it reads is `value`, after `wait` milliseconds. */
function write(value: number, { wait = 0, extra = "flush() {},", before = "", fill = 0 } = {}): void {
  writeFileSync(join(folder, "fill.ts"), `export const fill = ${fill};\n`);
  writeFileSync(
    file,
    `${HEAD}${before}
    export default defineTarget({
      open: () => ({ size: "16 MiB", shared: { words: new Int32Array(new SharedArrayBuffer(4)) } }),
      attach: (_queue, { words }) => ({
        read: ${wait > 0 ? "async " : ""}(buffer) => {
          Atomics.add(words, 0, 1);
          ${wait > 0 ? `await Bun.sleep(${wait});` : ""}
          buffer.fill(${value} + fill);
        },
        write() {},
        ${extra}
      }),
    });\n`,
  );
}

const first = async (disk: UblkDevice, offset: number): Promise<number | undefined> =>
  (await client(disk.path, [{ do: "read", offset, length: 4096 }]))[0]?.first;

beforeAll(() => write(1));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a module that changes while it serves", () => {
  for (const options of [{ queues: 2 }, { batch: true, depth: 16 }, { serialize: true }]) {
    const t = !("batch" in options) || kernelAtLeast("7.0") ? ublkTest("queues" in options) : requires(false, "batches need Linux 7.0");
    t(`is exchanged in its threads, and stays as it was where the new code fails: ${JSON.stringify(options)}`, async () => {
      write(1);
      await using disk = await serve(pathToFileURL(file), options);
      const threads = disk.threads.map((thread) => thread);
      expect(await first(disk, 0)).toBe(1);
      write(2);
      await disk.reload();
      expect(await first(disk, 4096)).toBe(2);
      write(2, { fill: 5 }); // what it imports from its folder counts too
      await disk.reload();
      expect(await first(disk, 8192)).toBe(7);

      const refused = (): Promise<string> =>
        disk.reload().then(
          () => "reloaded",
          (error: Error) => error.message,
        );
      write(3, { before: 'throw new Error("the new code is bad");' });
      expect(await refused()).toContain("the new code is bad");
      write(3, { before: "this is no program" });
      expect(await refused()).toContain("cannot be imported");
      write(3, { extra: "" });
      expect(await refused()).toContain("lacks what the kernel was told of: flush");
      expect(await first(disk, 12288)).toBe(7);
      write(4);
      await disk.reload();
      expect(await first(disk, 16384)).toBe(4);
      expect(disk.threads).toEqual(threads);
    });
  }

  ublkTest(false)("answers what is open with the old code, and what has come meanwhile with the new one", async () => {
    write(1, { wait: 6_000 });
    await using disk = await serve(pathToFileURL(file));
    expect(await first(disk, 65536)).toBe(1); // the client is there
    const old = first(disk, 0);
    await Bun.sleep(2_000);
    write(2);
    const reloading = disk.reload();
    const during = Promise.all([first(disk, 8192), first(disk, 16384)]);
    await reloading;
    expect(await old).toBe(1);
    expect((await during).every((value) => value === 1 || value === 2)).toBe(true);
    expect(await first(disk, 4096)).toBe(2);
  });

  ublkTest(true)("is noticed with hotReload, and what is wrong with it told of", async () => {
    write(1);
    await using disk = await serve(pathToFileURL(file), { hotReload: true });
    const told = (): Promise<Error | undefined> => new Promise((resolve) => disk.once("reload", resolve));
    const second = told();
    write(2);
    expect(await second).toBeUndefined();
    expect(await first(disk, 0)).toBe(2);
    const third = told();
    write(3, { before: 'throw new Error("bad");' });
    expect((await third)?.message).toContain("bad");
    expect(await first(disk, 4096)).toBe(2);
  });

  ublkTest(true)("is only a module in a file", async () => {
    const inline = { size: "1 MiB", read: (buffer: Uint8Array) => void buffer.fill(1) };
    expect(await serve(inline, { hotReload: true }).catch((error: Error) => error.message)).toBe(
      "serve: hotReload is true, but the target is no module in a file; give its URL, or leave hotReload out",
    );
    await using disk = await serve(inline);
    expect(await disk.reload().catch((error: Error) => error.message)).toContain("reload: the target is no module in a file");
    expect(devices()).toHaveLength(2); // one disk: its block and its char device
  });
});
