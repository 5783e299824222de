// file timeout: 1800 s
// usual kernels: none
import { describe, expect } from "bun:test";
import { serve } from "uring-ublk";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fioToItsEnd } from "./support/fio.ts";
import { aroundRecovery, ended, idOf, path, start, stateOf } from "./support/recoverable.ts";

const has = haveUblk() && kernelAtLeast("6.16");
const t = (usual: boolean) => (has ? ublkTest(usual) : requires(false, "QUIESCE needs Linux 6.16"));

aroundRecovery();

/** Writes everywhere, and reads all of it again, until it is told to stop; every pass must be whole. */
async function clients(disk: string, over: () => boolean): Promise<number> {
  let passes = 0;
  for (; !over() || passes === 0; passes++) {
    const options = { rw: "randwrite", bs: "4k", size: "2m", iodepth: 16, verify: "crc32c", do_verify: 1, verify_fatal: 1 };
    expect(await fioToItsEnd(disk, options, 300_000)).toBe(0);
  }
  return passes;
}

describe("a planned change of servers", () => {
  for (const options of [{ queues: 2 }, { recovery: "queue" }, { mode: "user-copy", threads: 2 }] as const) {
    t("queues" in options)(`under load loses no request and fails none: ${JSON.stringify(options)}`, async () => {
      await using first = await start({ target: { path }, serve: { depth: 32, maxIo: 65536, recovery: "reissue", ...options } });
      const id = idOf(first);
      let over = false;
      const work = clients(first.path, () => over);
      const next = start({ recover: id, target: { path } }); // it waits for its turn
      await Bun.sleep(8_000);
      first.child.kill("SIGUSR2");
      await first.said(/^handed over in \d+ ms$/m, 60_000);
      const end = await first.end();
      expect(end).toMatchObject({ status: 0, stderr: "" });
      await using second = await next;
      await second.said(/^pause \d+ ms$/m, 10_000);
      console.log(`${JSON.stringify(options)}: ${/^handed over.*$/m.exec(first.stdout)![0]}, ${/^pause.*$/m.exec(second.stdout)![0]}`);
      over = true;
      expect(await work).toBeGreaterThan(0);
      expect(await stateOf(id)).toBe("live");
      await ended(second);
    });
  }

  t(false)("waits for what is open, and a request beyond the grace is sent again to the next server", async () => {
    await using first = await start({ target: { path, hold: 8192 }, serve: { depth: 8, recovery: "reissue" }, grace: 1_000 });
    const id = idOf(first);
    const write = Bun.spawn(["dd", "if=/etc/services", `of=${first.path}`, "bs=4k", "count=1", "seek=2", "oflag=direct", "conv=notrunc"]);
    await first.said(/^held$/m, 60_000);
    first.child.kill("SIGUSR2");
    await first.said(/^handed over in \d+ ms$/m, 60_000);
    await using second = await start({ recover: id, target: { path } });
    expect(await write.exited).toBe(0);
    await ended(second);
  });

  const batches = kernelAtLeast("7.0") ? t(false) : requires(false, "batches need Linux 7.0");
  batches("is refused with batches, and the disk serves on: frozen, the driver fails new requests", async () => {
    const target = { size: "1 MiB", read: (buffer: Uint8Array) => void buffer.fill(7) } as const;
    await using disk = await serve(target, { batch: true, depth: 4, recovery: "reissue" });
    expect(await disk.handOver().catch((error: Error) => error.message)).toContain("frozen, a batched device fails new requests with EIO");
    expect(disk.state).toBe("live");
    const [first] = await client(disk.path, [{ do: "read", offset: 0, length: 4096 }]);
    expect(first?.first).toBe(7);
  });

  t(true)("is refused where the disk goes with its server", async () => {
    await using disk = await serve({ size: "1 MiB", read: (buffer) => void buffer.fill(0) });
    expect(await disk.handOver().catch((error: Error) => error.message)).toBe(
      "handOver: the disk goes with this process; serve it with recovery: 'queue' or 'reissue' to hand it over",
    );
    expect(disk.state).toBe("live");
  });
});
