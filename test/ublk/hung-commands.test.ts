// usual kernels: none
// file timeout: 600 s
/** Control commands that hang, each with a time limit, a hint and an abort; and those that are refused, in each state of a device. */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { abi, type UblkControl, UblkError } from "uring-ublk/ublk";
import { haveUblk, kernelAtLeast, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses, until } from "./support/machine.ts";
import { PARAMS, RawDevice } from "./support/raw-device.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const ODD = 331;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

type Command = (control: UblkControl, id: number, options: { timeoutMs?: number; signal?: AbortSignal }) => Promise<unknown>;

/**
 * Commands that wait for a device that something else has. START_DEV does too, and is left out: once it waits there it is carried out after the stop,
 * and makes a disk that nobody serves and nothing ends but the end of the server.
 */
const WAITING: Readonly<Record<string, Command>> = {
  GET_PARAMS: (control, id, options) => control.getParams(id, options),
  SET_PARAMS: (control, id, options) => control.setParams(id, PARAMS, options),
  STOP_DEV: (control, id, options) => control.stopDevice(id, options),
};
/** Both ways to give a command up. */
async function expectGivesUp(name: string, command: Command, control: UblkControl, id: number): Promise<void> {
  await expect(command(control, id, { timeoutMs: 200 })).rejects.toThrow(
    new RegExp(
      `^ublk ${name} 'device ${id}': ETIMEDOUT \\(it took longer than 200 ms; a server that does not answer its requests blocks it`,
    ),
  );
  const abort = new AbortController();
  const given = command(control, id, { signal: abort.signal });
  setTimeout(() => abort.abort(new Error(`enough of ${name}`)), 200);
  await expect(given).rejects.toThrow(`enough of ${name}`);
}

describe("a device whose server does not answer", () => {
  test("blocks what wants to have it; every command can be given up, and the others still answer", async () => {
    await using device = await RawDevice.make();
    const { control, info } = device;
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    let held = false;
    device.serve(async (request) => {
      if (request.offset === ODD * 4096) {
        held = true;
        await answered;
      }
      return request.length;
    });
    await device.start();
    const reading = Bun.spawn(["dd", `if=${device.path}`, "of=/dev/null", "bs=4k", `skip=${ODD}`, "count=1", "iflag=direct"], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await until(() => held, "asked", 60_000);
    try {
      const { STOP_DEV, ...others } = WAITING;
      await expectGivesUp("STOP_DEV", STOP_DEV!, control, info.id);
      for (const [name, command] of Object.entries(others)) await expectGivesUp(name, command, control, info.id);
      // Linux 6.18 crashes when its turn comes behind the stop: src/ublk/has-disk.ts
      if (kernelAtLeast("7.2"))
        await expectGivesUp("UPDATE_SIZE", (_, id, options) => control.updateSize(id, PARAMS.size, options), control, info.id);
      if ((control.features & abi.UBLK_F_SAFE_STOP_DEV) !== 0)
        // it looks who has the disk open before it waits
        await expect(control.tryStopDevice(info.id)).rejects.toThrow(/TRY_STOP_DEV.*EBUSY/);
      expect((await control.getDeviceInfo1(info.id)).id).toBe(info.id);
      expect((await control.getDeviceInfo2(info.id)).id).toBe(info.id);
      expect((await control.getQueueAffinity(info.id, 0)).length).toBeGreaterThan(0);
    } finally {
      answer();
      await reading.exited;
    }
    await until(() => !devices().includes(`ublkb${info.id}`), "stopped, as it was told", 60_000);
  });
});

describe("a device that somebody holds", () => {
  test("blocks its deletion, which can be given up", async () => {
    await using device = await RawDevice.make();
    await expectGivesUp("DEL_DEV", (control, id, options) => control.deleteDevice(id, options), device.control, device.info.id);
    device.release(); // the deletion that was given up, or the next one, goes through
    await device.control.deleteDevice(device.info.id).catch(() => {});
    await until(() => devices().length === 0, "deleted");
  });
});

/** What each command says in each state of a device, or `ok`. */
const answerOf = async (command: Promise<unknown>): Promise<string> => {
  try {
    await command;
    return "ok";
  } catch (error) {
    if (!(error instanceof UblkError)) throw error;
    expect(error.hint ?? "").not.toBe("");
    return error.code;
  }
};

test("what is refused in each state, and a hint with every refusal", async () => {
  await using device = await RawDevice.make();
  const { control, info } = device;
  const { id } = info;
  const ask = async (): Promise<Record<string, string>> => ({
    add: await answerOf(control.addDevice({ id, queues: 1, depth: 1, maxIoBytes: 4096, flags: 0 })),
    parameters: await answerOf(control.setParams(id, PARAMS)),
    start: await answerOf(control.startDevice(id, process.pid, { timeoutMs: 500 })),
  });
  const resizes = (control.features & abi.UBLK_F_UPDATE_SIZE) !== 0;
  const size = async (): Promise<string> => (resizes ? answerOf(control.updateSize(id, PARAMS.size)) : "ENODEV");
  expect(await size()).toBe("ENODEV"); // not started
  expect(await ask()).toEqual({ add: "EEXIST", parameters: "ok", start: "ETIMEDOUT" }); // nobody fetches
  device.serve();
  if (kernelAtLeast("7.2")) expect(await answerOf(control.startDevice(id, 1))).toBe("EINVAL"); // not who opened it; Linux 6.12 takes anybody
  await device.start();
  expect(await ask()).toEqual({ add: "EEXIST", parameters: "EACCES", start: "EEXIST" });
  await device.stop();
  expect(await answerOf(control.stopDevice(id))).toBe("ok"); // again
  expect(await size()).toBe("ENODEV");
  device.release();
  expect(await answerOf(control.deleteDevice(id))).toBe("ok");
  expect({
    parameters: await answerOf(control.setParams(id, PARAMS)),
    start: await answerOf(control.startDevice(id)),
    stop: await answerOf(control.stopDevice(id)),
    delete: await answerOf(control.deleteDevice(id)),
    info: await answerOf(control.getDeviceInfo(id)),
    affinity: await answerOf(control.getQueueAffinity(id, 0)),
  }).toEqual({ parameters: "ENODEV", start: "ENODEV", stop: "ENODEV", delete: "ENODEV", info: "ENODEV", affinity: "ENODEV" });
});
