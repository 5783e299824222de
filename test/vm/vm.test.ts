import { afterAll, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { runInVm } from "./vm.ts";

// A first run downloads and builds; and an emulated boot on a busy machine takes its time.
const MINUTES = 60_000;
const project = resolve(import.meta.dir, "../..");
const own = `vm-test-${process.pid}`;

afterAll(() => {
  for (const path of [join("vm-out", own), own]) rmSync(join(project, path), { recursive: true, force: true });
});

test("an unknown kernel is refused with the ones there are", async () => {
  await expect(runInVm({ kernel: "5.4", command: ["true"] })).rejects.toThrow(/6\.12.*7\.2/);
});

test(
  "a command's status, live output, files and environment arrive, and the kernel's complaints",
  async () => {
    const script = `
      echo "first $COLOUR"; sleep 3; echo second >&2
      test -c /dev/ublk-control && bun --version
      mkdir -p vm-out/${own}/deep ${own}; echo out >vm-out/${own}/deep/file; echo brought >${own}/file
      echo "<4>a complaint" >/dev/kmsg; echo "<6>an information" >/dev/kmsg
      exit 7`;
    const arrivals: { text: string; at: number }[] = [];
    const result = await runInVm({
      kernel: "7.2",
      command: ["sh", "-c", script],
      env: { COLOUR: 'it\'s "blue"' },
      bring: [own],
      onOutput: (text) => arrivals.push({ text, at: performance.now() }),
      quiet: true,
    });
    expect(result).toMatchObject({
      status: 7,
      timedOut: false,
      output: `first it's "blue"\nsecond\n${Bun.version}\n`,
      kernelWarnings: ["a complaint"],
    });
    expect(result.kernel).toStartWith("7.2.");
    const first = arrivals.find(({ text }) => text.includes("first"));
    const second = arrivals.find(({ text }) => text.includes("second"));
    expect(second!.at - first!.at).toBeGreaterThan(1500);
    expect(readFileSync(join(project, "vm-out", own, "deep/file"), "utf8")).toBe("out\n");
    expect(readFileSync(join(project, own, "file"), "utf8")).toBe("brought\n");
  },
  10 * MINUTES,
);

test(
  "at the time limit the kernel tells where the command hangs, and its files still arrive",
  async () => {
    const script = `
      mkdir -p vm-out/${own} /tmp/mnt; echo before >vm-out/${own}/log; echo started
      truncate -s 64M /tmp/image; mkfs.ext4 -q /tmp/image; modprobe loop; mount -o loop /tmp/image /tmp/mnt
      fsfreeze --freeze /tmp/mnt; touch /tmp/mnt/stuck`;
    const result = await runInVm({
      kernel: "6.12",
      command: ["sh", "-c", script],
      timeoutSeconds: 45,
      quiet: true,
    });
    expect(result).toMatchObject({ status: 124, timedOut: true, output: "started\n", kernelWarnings: [] });
    expect(result.blockedTasks).toMatch(/task:touch\s+state:D/);
    expect(result.blockedTasks).toContain("touch /tmp/mnt/stuck");
    expect(readFileSync(join(project, "vm-out", own, "log"), "utf8")).toBe("before\n");
  },
  10 * MINUTES,
);
