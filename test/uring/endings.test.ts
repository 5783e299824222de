/** A process that ends with operations in flight and closes nothing: it does not hang, and the kernel keeps nothing of it. */
import { describe, expect, test } from "bun:test";
import { Ring, read } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { ROOT } from "../support/child.ts";
import { Descriptor } from "./support/network.ts";

/** How it ends, with what status or signal, and what it says. */
const WAYS: readonly [way: string, ending: string, says: string][] = [
  ["exit", "7", "abandoned\n"],
  ["throw", "1", "abandoned\n"],
  ["kill", "SIGKILL", "abandoned\n"],
  ["term", "SIGTERM", "abandoned\n"],
  ["worker", "0", "worker gone, 0\n"],
];

describe("a program that ends with operations in flight, and closes nothing", () => {
  for (const [way, ending, says] of WAYS) {
    test(`ends at once, and its files are let go of: ${way}`, async () => {
      const ends = sys.pipe();
      using reader = new Descriptor(ends[0]);
      using writer = new Descriptor(ends[1]);
      // Fd 3 of the child is the writing end; its ring's file table has it as well.
      const child = Bun.spawn({
        cmd: [process.execPath, `${ROOT}/test/uring/programs/abandons.ts`, way, way === "worker" ? "-1" : "3"],
        cwd: ROOT,
        env: { ...process.env, NO_COLOR: "1" },
        stdio: ["ignore", "pipe", "pipe", writer.fd],
        timeout: 25_000,
        killSignal: "SIGKILL",
      });
      const [stdout] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
      expect({ stdout, ending: String(child.signalCode ?? child.exitCode) }).toEqual({ stdout: says, ending });
      // With our own end closed only a ring that lives on could keep the pipe open: the end of the stream comes when the kernel is through.
      await using ring = await Ring.open({ entries: 8 });
      const reading = ring.run(read({ fd: reader.fd, buffer: new Uint8Array(1) }), { signal: AbortSignal.timeout(20_000) });
      writer.close();
      expect(await reading).toBe(0);
    }, 60_000);
  }
});
