import { O_RDWR, sys } from "../ffi/index.ts";
import { RawRing } from "../uring/index.ts";
import { UBLK_U_CMD_DEL_DEV, UBLK_U_CMD_GET_DEV_INFO } from "./abi.ts";
import { asAllowed } from "./by-path.ts";
import { type Command, payloadOf } from "./command.ts";
import { decodeInfo } from "./info.ts";
import { CONTROL_PATH } from "./open-control.ts";
import { ublksrv_ctrl_dev_info } from "./structs.ts";
import { traceCommands } from "./trace.ts";

const STEP_NS = 50_000_000;
const POLL_MS = 2;
const ENODEV = -19;

/**
 * Deletes a device synchronously, for a process that is exiting: no event loop runs any more. Everything of this process that holds the
 * char device must be closed. Answers whether the device is gone.
 *
 * First it waits until the kernel says that the device is dead. Deleting earlier would make DEL_DEV wait for requests in a sleep that
 * nothing interrupts, inside a process whose end alone could answer them.
 */
export function deleteNow(id: number, limitMs: number): boolean {
  const until = performance.now() + limitMs;
  let fd: number | undefined;
  try {
    fd = sys.open(CONTROL_PATH, O_RDWR);
    using ring = new RawRing({ entries: 4, sqe: 128 });
    traceCommands(ring.trace);
    const buffer = ublksrv_ctrl_dev_info.allocate();
    for (;;) {
      const result = runNow(ring, fd, { name: "GET_DEV_INFO", op: UBLK_U_CMD_GET_DEV_INFO, device: id, buffer }, until);
      if (result === ENODEV) return true;
      if (result === undefined || result < 0) return false;
      if (decodeInfo(buffer).state === "dead") break;
      if (performance.now() > until) return false;
      Bun.sleepSync(POLL_MS);
    }
    const result = runNow(ring, fd, { name: "DEL_DEV", op: UBLK_U_CMD_DEL_DEV, device: id }, until);
    return result === 0 || result === ENODEV;
  } catch {
    return false; // the process is ending: whoever reads the answer says what is left
  } finally {
    if (fd !== undefined) sys.close(fd);
  }
}

function runNow(ring: RawRing, fd: number, command: Command, until: number): number | undefined {
  const { sent, answer: take } = asAllowed(command);
  let answer: number | undefined;
  const slot = ring.allocate((result) => {
    answer = result;
  });
  const payload = new Int32Array(payloadOf(sent).buffer as ArrayBuffer);
  ring.uringCmd128(slot, fd, command.op, 0, payload);
  while (answer === undefined && performance.now() < until) {
    ring.enter(1, STEP_NS);
    ring.reap();
  }
  if (answer === undefined) return undefined;
  ring.release(slot);
  take();
  return answer;
}
