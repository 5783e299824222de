/** Begins to take a device over, command by command, and stops in the middle of fetching: with `batch` after one queue, else after half the tags. */
import { Ring, uringCmd } from "uring-ublk";
import { Arena, O_RDWR, PAGE_SIZE, sys } from "uring-ublk/ffi";
import { abi, UblkControl } from "uring-ublk/ublk";
import { payloadOf, STRIDE } from "./raw-device.ts";

const id = Number(process.argv[2]);
const control = await UblkControl.open();
const info = await control.getDeviceInfo(id);

/** Begins the recovery, as soon as nothing is left of the server before. */
async function begin(patienceMs: number): Promise<void> {
  await control.startUserRecovery(id).catch(async (error: { code: string }) => {
    if (error.code === "EINVAL") return; // before Linux 6.16 it was begun by the one before
    if (error.code !== "EBUSY" || patienceMs < 0) throw error;
    await Bun.sleep(50);
    await begin(patienceMs - 50);
  });
}

await begin(30_000);
const fd = sys.open(`/dev/ublkc${id}`, O_RDWR);
const bytes = Math.ceil((info.depth * 24) / PAGE_SIZE) * PAGE_SIZE;
Arena.map(fd, 0, bytes, 1);
Arena.map(fd, STRIDE, bytes, 1);
const ring = await Ring.open({ entries: 512 });
const data = Arena.allocate(info.depth * info.maxIoBytes);
if ((info.flags & abi.UBLK_F_BATCH_IO) === 0) {
  for (let tag = 0; tag < info.depth / 2; tag++) {
    const payload = payloadOf(0, tag, 0, data.address + tag * info.maxIoBytes);
    void ring.run(uringCmd({ fd, cmdOp: abi.UBLK_U_IO_FETCH_REQ, payload }));
  }
} else {
  const elements = new BigUint64Array(info.depth * 2);
  for (let tag = 0; tag < info.depth; tag++) {
    elements[tag * 2] = BigInt(tag);
    elements[tag * 2 + 1] = BigInt(data.address + tag * info.maxIoBytes);
  }
  const list = Arena.allocate(elements.byteLength);
  list.bytes().set(new Uint8Array(elements.buffer));
  const payload = new Uint8Array(new Uint32Array([2 << 16, info.depth | (16 << 16), 0, 0]).buffer); // UBLK_BATCH_F_HAS_BUF_ADDR
  await ring.run(uringCmd({ fd, cmdOp: abi.UBLK_U_IO_PREP_IO_CMDS, payload, address: list.address }));
}
const ending = control.endUserRecovery(id, process.pid, { timeoutMs: 600_000 });
ending.catch(() => {});
await Bun.sleep(300);
console.log(`disk ${id}`);
await ending;
