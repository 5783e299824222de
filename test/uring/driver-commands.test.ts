// usual kernels: this machine's, and the newest
import { describe, expect, test } from "bun:test";
import { nop, Ring, uringCmd, uringCmd128 } from "uring-ublk";
import { addressOf, O_RDWR, sys } from "uring-ublk/ffi";
import { RawRing } from "uring-ublk/uring";
import { haveUblk, kernelAtLeast, requires } from "../support/requires.ts";
import { memoryFile, pattern, socketPair, tcpPair } from "./support/descriptors.ts";

const SIOCINQ = 0; // SOCKET_URING_OP_SIOCINQ
const GET_FEATURES = 0x80207513; // UBLK_U_CMD_GET_FEATURES
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

/** struct ublksrv_ctrl_cmd of GET_FEATURES: no device, 8 bytes of room for the answer. */
function featuresCommand(): {
  payload: Uint8Array;
  answer: BigUint64Array<ArrayBuffer>;
  address: (at: number) => void;
} {
  const payload = new Uint8Array(32);
  const view = new DataView(payload.buffer);
  view.setUint32(0, 0xffffffff, true); // dev_id
  view.setUint16(4, 0xffff, true); // queue_id
  view.setUint16(6, 8, true); // len
  const answer = new BigUint64Array(new ArrayBuffer(8));
  return { payload, answer, address: (at) => view.setBigUint64(8, BigInt(at), true) };
}

async function features(ring: Ring): Promise<bigint> {
  const { payload, answer, address } = featuresCommand();
  address(addressOf(answer));
  const fd = sys.open("/dev/ublk-control", O_RDWR);
  try {
    expect(await ring.run(uringCmd128({ fd, cmdOp: GET_FEATURES, payload, pins: [answer] }))).toBe(0);
  } finally {
    sys.close(fd);
  }
  return answer[0]!;
}

const socketCommands = requires(kernelAtLeast("6.5"), "socket commands need Linux 6.5");
const shortOnLong = requires(kernelAtLeast("6.5"), "socket commands need Linux 6.5");
const ublk = requires(haveUblk(), "needs a kernel with ublk");
const mixed = requires(haveUblk() && kernelAtLeast("6.19"), "URING_CMD128 on a mixed ring needs Linux 6.19 with ublk");

describe("a driver's command", () => {
  socketCommands("asks a socket how much waits in it", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using ends = socketPair();
    // Unix sockets have no such command, TCP has.
    expect(await failure(ring.run(uringCmd({ fd: ends.first, cmdOp: SIOCINQ })))).toMatchObject({
      code: "EOPNOTSUPP",
      operation: "uringCmd",
    });
    using tcp = tcpPair();
    sys.write(tcp.first, pattern(300));
    while ((await ring.run(uringCmd({ fd: tcp.second, cmdOp: SIOCINQ }))) < 300) await Bun.sleep(0);
    expect(await ring.run(uringCmd({ fd: tcp.second, cmdOp: SIOCINQ }))).toBe(300);
  });

  shortOnLong("works on a ring whose SQEs all have 128 bytes", async () => {
    await using ring = await Ring.open({ entries: 8, sqe: 128 });
    using tcp = tcpPair();
    for (let i = 0; i < 20; i++) expect(await ring.run(uringCmd({ fd: tcp.second, cmdOp: SIOCINQ }))).toBe(0);
    for (let i = 0; i < 20; i++) expect(await ring.run(uringCmd128({ fd: tcp.second, cmdOp: SIOCINQ }))).toBe(0);
  });

  test("needs a ring with room for its payload", async () => {
    await using ring = await Ring.open({ entries: 8 });
    expect(await failure(ring.run(uringCmd128({ fd: 0, cmdOp: 0 })))).toMatchObject({
      name: "TypeError",
      message: expect.stringContaining("sqe: 128"),
    });
    expect(await failure(ring.run(uringCmd({ fd: 0, cmdOp: 0, payload: new Uint8Array(17) })))).toBeInstanceOf(RangeError);
    expect(ring.raw.inFlight).toBe(0);
  });

  test("that no driver takes says so", async () => {
    await using ring = await Ring.open({ entries: 8 });
    using file = memoryFile();
    expect(await failure(ring.run(uringCmd({ fd: file.first, cmdOp: 1 })))).toMatchObject({
      code: "EOPNOTSUPP",
      operation: "uringCmd",
    });
  });

  ublk("with 80 bytes of payload reaches ublk on a ring of long SQEs", async () => {
    await using ring = await Ring.open({ entries: 8, sqe: 128 });
    expect(await features(ring)).toBeGreaterThan(0n);
  });

  mixed("with 80 bytes of payload stands between short ones on a mixed ring, and never wraps", async () => {
    await using ring = await Ring.open({ entries: 8, sqe: "mixed" });
    for (let i = 0; i < 40; i++) {
      // An odd number of short ones in front: in some rounds one position is left before the end.
      const shorts = Array.from({ length: i % 5 }, () => ring.run(nop()));
      expect(await features(ring)).toBeGreaterThan(0n);
      await Promise.all(shorts);
    }
    const together = Array.from({ length: 50 }, (_, i) => (i % 3 === 0 ? ring.run(nop()) : features(ring)));
    await Promise.all(together);
  });

  mixed("fits the smallest mixed ring", async () => {
    await using ring = await Ring.open({ entries: 2, sqe: "mixed" });
    for (let i = 0; i < 10; i++) {
      await ring.run(nop());
      expect(await features(ring)).toBeGreaterThan(0n);
    }
  });
});

describe("an SQE of 128 bytes", () => {
  const plain = requires(kernelAtLeast("6.19"), "mixed SQEs need Linux 6.19");
  plain("takes two positions of a mixed ring, and a NOP fills the last one", () => {
    using raw = new RawRing({ entries: 4, sqe: "mixed" });
    const slots = Array.from({ length: 4 }, () => raw.allocate(() => {}));
    for (let i = 0; i < 3; i++) raw.nop(slots[i]!);
    raw.enter(1);
    raw.reap();
    raw.uringCmd128(slots[3]!, 0, 0, 0, new Int32Array(20)); // position 3 is the last: a NOP goes there
    expect(raw.queued).toBe(3);
    expect(raw.words[3 * 16]! & 0xff).toBe(0);
    expect(raw.words[0]! & 0xff).toBe(64);
    while (raw.inFlight > 0) {
      raw.enter(1);
      raw.reap();
    }
    expect(raw.failure).toBeUndefined();
  });
});
