// file timeout: 1800 s
// usual kernels: none
import { describe, expect, setDefaultTimeout } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { loop } from "uring-ublk/targets";
import { sh, treeSum } from "../support/disk-tools.ts";
import { ublkTest } from "../support/requires.ts";
import { aroundRecovery, ended, idOf, killed, path, start, stateOf } from "./support/recoverable.ts";
import type { Server } from "./support/server.ts";

const KILLS = Number(process.env.URING_UBLK_KILLS ?? 20);
const FIO =
  "fio --name=v --directory=$1 --rw=randwrite --bs=4k --size=4m --iodepth=16 --ioengine=libaio --direct=1 --verify=crc32c --do_verify=1 --verify_fatal=1";

aroundRecovery();
setDefaultTimeout(1_200_000); // so many starts of a process take their time on an emulated machine

const module = loop.url.href;
const target = { path, create: "64 MiB" };
const serve = { depth: 32, maxIo: 131072, queues: 2, recovery: "reissue" } as const;

describe("a file as a disk, with a file system on it and fio at work", () => {
  ublkTest(false)(`${KILLS} kills at random moments: no client fails or hangs, no write is lost, the file system is whole`, async () => {
    let server: Server = await start({ module, target, serve });
    const id = idOf(server);
    const disk = server.path;
    const mount = mkdtempSync("/tmp/recovery-mount-");
    await sh('mkfs.ext4 -q "$1" && mount "$1" "$2" && cp -r src "$2"/tree', disk, mount);
    const tree = await treeSum(`${mount}/tree`);
    let over = false;
    let passes = 0;
    const work = (async () => {
      for (; !over; passes++) await sh(FIO, mount);
    })();
    work.catch(() => {});
    for (let kill = 0; kill < KILLS; kill++) {
      await Bun.sleep(Math.random() * 1500);
      await killed(server);
      expect(await stateOf(id)).toBe("quiesced");
      server = await start({ recover: id, module, target: { path } });
      if (kill % 5 === 0) console.log(`kill ${kill + 1}, ${passes} passes of fio`);
    }
    over = true;
    await work;
    expect(passes).toBeGreaterThan(0);
    expect(await treeSum(`${mount}/tree`)).toBe(tree);
    await sh('umount "$1"', mount);
    await sh('e2fsck -fn "$1"', disk);
    await ended(server);
    await sh('e2fsck -fn "$1"', path);
    rmSync(mount, { recursive: true });
  });

  ublkTest(false)("a server that is stopped for 40 seconds delays its clients and fails none; a recovery names it meanwhile", async () => {
    await using server = await start({ module, target, serve });
    const mount = mkdtempSync("/tmp/recovery-mount-");
    await sh('mkfs.ext4 -q "$1" && mount "$1" "$2"', server.path, mount);
    const work = sh(FIO, mount);
    await Bun.sleep(500);
    server.child.kill("SIGSTOP");
    const stopped = performance.now();
    const refused = await start({ recover: idOf(server), module, target: { path }, serve: { timeoutMs: 10_000 } }).then(
      () => "recovered",
      (error: Error) => error.message,
    );
    expect(refused).toMatch(new RegExp(`process ${server.child.pid} \\(bun[^)]*\\) is stopped and has open /dev/ublkc${idOf(server)}`));
    await Bun.sleep(Math.max(0, 40_000 - (performance.now() - stopped)));
    server.child.kill("SIGCONT");
    await work;
    await sh('umount "$2" && e2fsck -fn "$1"', server.path, mount);
    await ended(server);
    rmSync(mount, { recursive: true });
  });
});
