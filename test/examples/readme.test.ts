// usual kernels: the newest
import { afterAll, describe, expect } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deviceIds } from "uring-ublk/ublk";
import { haveUblk, isRoot, requires } from "../support/requires.ts";

const t = requires(haveUblk() && isRoot(), "needs root and a kernel with ublk");
const README = join(import.meta.dir, "../../README.md");
// Inside the repository, where "uring-ublk" is the sources.
const PROGRAM = join(import.meta.dir, `readme-disk-${process.pid}.ts`);

afterAll(() => rmSync(PROGRAM, { force: true }));

describe("the disk on the README's first screen", () => {
  t("takes a file system, and goes at SIGTERM", async () => {
    const [, code] = /^```ts[^\n]*\n(.*?)^```/ms.exec(readFileSync(README, "utf8"))!;
    expect(code!.trim().split("\n").length).toBeLessThanOrEqual(12);
    writeFileSync(PROGRAM, code!);
    const server = Bun.spawn([process.execPath, PROGRAM], { stdout: "pipe", stderr: "inherit" });
    let output = "";
    for await (const text of server.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      const path = /^(\S+) is ready\n$/.exec(output)?.[1];
      if (path === undefined) continue;
      await Bun.$`mkfs.ext4 -q ${path} && e2fsck -f -n ${path}`.quiet();
      server.kill("SIGTERM");
    }
    expect(output).toMatch(/^\/dev\/ublkb\d+ is ready\n$/);
    expect(await server.exited).toBe(143);
    expect(deviceIds()).toEqual([]);
  });
});
