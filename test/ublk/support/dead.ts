import { expect } from "bun:test";
import { deviceIds, UblkControl } from "uring-ublk/ublk";

/** Deletes what a server that was killed has left: dead char devices, and nothing else. */
export async function deleteDead(): Promise<void> {
  await using control = await UblkControl.open();
  for (const id of deviceIds()) {
    expect((await control.getDeviceInfo1(id)).state).toBe("dead");
    await control.deleteDevice(id, { timeoutMs: 20_000 });
  }
}
