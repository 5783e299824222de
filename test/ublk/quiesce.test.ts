// usual kernels: the newest
import { describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { abi, UblkControl } from "uring-ublk/ublk";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { RawDevice } from "./support/raw-device.ts";

const t = haveUblk() && kernelAtLeast("6.16") ? ublkTest(true) : requires(false, "QUIESCE needs Linux 6.16");

describe("QUIESCE_DEV", () => {
  t("neither waits nor changes the state, and what a later commit fetches ends only when it is given again", async () => {
    const flags = abi.UBLK_F_USER_RECOVERY | abi.UBLK_F_QUIESCE;
    await using device = await RawDevice.make({ flags, depth: 2 });
    const { control, info, path: disk } = device;
    const ends = [0, 1].map((tag) => device.io(abi.UBLK_U_IO_FETCH_REQ, tag));
    const started = control.startDevice(info.id);
    while (!existsSync(disk)) await Bun.sleep(5);
    const arrived = await Promise.race(ends.map(async (end, tag) => ((await end) === 0 ? tag : await new Promise<never>(() => {}))));
    await control.quiesceDevice(info.id); // with a request open
    expect((await control.getDeviceInfo(info.id)).state).toBe("live");
    expect(await ends[1 - arrived]).toBe(-19);
    let ended = false;
    const commit = device.io(abi.UBLK_U_IO_COMMIT_AND_FETCH_REQ, arrived, { result: device.request(arrived).length });
    void commit.then(() => {
      ended = true;
    });
    await Bun.sleep(500);
    expect(ended).toBe(false);
    await control.quiesceDevice(info.id);
    expect(await commit).toBe(-19);
    expect((await control.getDeviceInfo(info.id)).state).toBe("live");
    await started;
    device.release();
    await using other = await UblkControl.open();
    while ((await other.getDeviceInfo(info.id)).state === "live") await Bun.sleep(5);
    expect((await other.getDeviceInfo(info.id)).state).toBe("quiesced");
  });
});
