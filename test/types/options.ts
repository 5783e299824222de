/** Options are checked where they are written. */
import { nop, Ring, type RingOptions, read, timeout, uringCmd } from "uring-ublk";
import { Driver, RawRing } from "uring-ublk/uring";

const buffer = new Uint8Array(8);

// @ts-expect-error misspelt
read({ fd: 3, bufer: buffer });
// @ts-expect-error misspelt
read({ fd: 3, buffer, ofset: 0 });
// @ts-expect-error a number of bytes
read({ fd: 3, buffer, offset: "0" });
// @ts-expect-error bigints are for 64-bit values beyond 2^53; offsets are numbers
read({ fd: 3, buffer, offset: 0n });
// @ts-expect-error ms is not optional
timeout({});
// @ts-expect-error the command's number is not optional
uringCmd({ fd: 3 });
// @ts-expect-error a payload is bytes
uringCmd({ fd: 3, cmdOp: 1, payload: [1, 2] });
// @ts-expect-error a result is a number
nop({ result: "EIO" });

// @ts-expect-error misspelt
void Ring.open({ entires: 8 });
// @ts-expect-error 64, 128 or "mixed"
void Ring.open({ sqe: 96 });
// @ts-expect-error "defer", "coop" or "none"
void Ring.open({ taskrun: "deferred" });
// @ts-expect-error true, false or "hybrid"
void Ring.open({ iopoll: "yes" });
// @ts-expect-error misspelt
void Ring.open({ sqpoll: { idle: 5 } });
const fine: RingOptions = { entries: 8, sqe: "mixed", cqe: 32, sqpoll: { idleMs: 5, cpu: 0 }, fixedFiles: 4 };
const ring = await Ring.open(fine);

// @ts-expect-error misspelt
void ring.run(nop(), { singal: new AbortController().signal });
// @ts-expect-error a signal, not its controller
void ring.run(nop(), { signal: new AbortController() });
// @ts-expect-error an operation, not its maker
void ring.run(nop);
// @ts-expect-error a ring comes from Ring.open
new Ring();

// The raw layer takes positions.
const raw = new RawRing({ entries: 8 }, { templates: 0 });
const slot = raw.allocate((result, flags, which) => void (result + flags + which));
raw.nop(slot);
raw.read(slot, 3, 0, 4096, 0, 0);
// @ts-expect-error flags are missing
raw.read(slot, 3, 0, 4096, 0);
// @ts-expect-error an address is a number
raw.read(slot, 3, buffer, 8, 0, 0);
// @ts-expect-error one, many or notify
raw.allocate(() => {}, "two");
// @ts-expect-error serving is not optional
new Driver(raw, { synchronous: true });
// @ts-expect-error writers do not change
raw.nop = () => {};
