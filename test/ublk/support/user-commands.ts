/** Sends every control command about a device as whoever runs it; prints what each came to, as JSON: its errno's name, or `ok`. */
import { UblkControl, UblkError } from "uring-ublk/ublk";
import { PARAMS } from "./raw-device.ts";

const id = Number(process.argv[2]);
await using control = await UblkControl.open();

const COMMANDS: Readonly<Record<string, () => Promise<unknown>>> = {
  GET_DEV_INFO: () => control.getDeviceInfo1(id),
  GET_DEV_INFO2: () => control.getDeviceInfo2(id),
  GET_PARAMS: () => control.getParams(id),
  GET_QUEUE_AFFINITY: () => control.getQueueAffinity(id, 0),
  SET_PARAMS: () => control.setParams(id, PARAMS, { info: { depth: 128, flags: 0, maxIoBytes: 524_288 } as never }),
  START_DEV: () => control.startDevice(id),
  START_USER_RECOVERY: () => control.startUserRecovery(id),
  DEL_DEV_ASYNC: () => control.deleteDeviceAsync(id),
  STOP_DEV: () => control.stopDevice(id),
  DEL_DEV: () => control.deleteDevice(id),
};

const answers: Record<string, string> = {};
for (const [name, send] of Object.entries(COMMANDS)) {
  if (process.argv[3] === "ask" && !name.startsWith("GET_")) continue;
  answers[name] = await send().then(
    () => "ok",
    (error: unknown) => {
      if (error instanceof UblkError) return `${error.code}: ${error.hint}`;
      throw error;
    },
  );
}
console.log(JSON.stringify(answers));
