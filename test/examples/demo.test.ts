// usual kernels: the newest
import { describe, expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deviceIds } from "uring-ublk/ublk";
import { haveUblk, isRoot, requires } from "../support/requires.ts";

const t = requires(haveUblk() && isRoot(), "needs root and a kernel with ublk");
const PROGRAM = join(import.meta.dir, "../../examples/demo/main.ts");

function startDemo(): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn([process.execPath, PROGRAM, "--no-fio"], {
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
    const demo = startDemo();
    const [output, errors, status] = await Promise.all([new Response(demo.stdout).text(), new Response(demo.stderr).text(), demo.exited]);
    expect(errors).toBe("");
    expect(output).toMatch(/sha256 of every file, on both sides \.+ +[\d.]+ s {2}\d\d+ files are the same\n/);
    expect(output).toContain("Every check passed.");
    expect(status).toBe(0);
    expectNothingLeft();
  });

  for (const step of ["start the disk", "mkfs.ext4", "copy src", "sha256"]) {
    t(`leaves nothing when it is interrupted at "${step}"`, async () => {
      const demo = startDemo();
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
