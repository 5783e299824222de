// usual kernels: the newest
import { describe, expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deviceIds } from "uring-ublk/ublk";
import { haveUblk, isRoot, requires, ublkTest } from "../support/requires.ts";

const t = requires(haveUblk() && isRoot(), "needs root and a kernel with ublk");
const PROGRAM = join(import.meta.dir, "../../examples/demo/main.ts");
const COMMAND = join(import.meta.dir, "../../scripts/demo.ts");

function startDemo(...program: string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([process.execPath, ...program, "--no-fio"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

function expectNothingLeft(): void {
  expect(deviceIds()).toEqual([]);
  expect(readFileSync("/proc/mounts", "utf8")).not.toContain("/dev/ublkb");
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith("uring-ublk-demo-"))).toEqual([]);
}

describe("the demo", () => {
  t("copies a tree onto its disk, checks every byte, and leaves nothing", async () => {
    // As `npm run demo -- --host` does it: what it mounts is seen by nobody else.
    const demo = startDemo(COMMAND, "--host");
    const errors = new Response(demo.stderr).text();
    let output = "";
    for await (const text of demo.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain("/dev/ublkb");
    }
    const status = await demo.exited;
    expect(await errors).toBe("");
    expect(output).toMatch(/mount \.+ +[\d.]+ s\n/);
    expect(output).toMatch(/sha256 of every file, on both sides \.+ +[\d.]+ s {2}\d\d+ files are the same\n/);
    expect(output).toContain("Every check passed.");
    expect(status).toBe(0);
    expectNothingLeft();
  });

  for (const step of ["start the disk", "mkfs.ext4", "copy src", "sha256"]) {
    ublkTest(false)(`leaves nothing when it is interrupted at "${step}"`, async () => {
      const demo = startDemo(PROGRAM);
      let output = "";
      for await (const text of demo.stdout.pipeThrough(new TextDecoderStream())) {
        if (!output.includes(`${step} `) && (output + text).includes(`${step} `)) demo.kill("SIGINT");
        output += text;
      }
      expect(await demo.exited).toBe(130);
      expect(await new Response(demo.stderr).text()).toBe("demo: ended by SIGINT\n");
      expect(output).toEndWith("The demo failed.\n");
      expectNothingLeft();
    });
  }
});
