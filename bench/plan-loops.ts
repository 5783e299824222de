/** Plans as a user prepares them, and the same written by hand on the raw layer. The ring's own driver drives both. */
import { openSync, unlinkSync, writeFileSync } from "node:fs";
import { abi, chain, group, nop, type Part, type Ring, read, write } from "uring-ublk";
import { Arena } from "uring-ublk/ffi";

/** Runs something so often. */
export type Runs = (times: number) => Promise<void>;
/** Queues one run, which calls back when it is over. */
type Start = (over: () => void) => void;

const BLOCK = 4096;

/** How often two operations and more stand side by side or behind each other. */
const CHAINED = 4;
const MEMBERS = 8;
const COPIES = 4;

function repeated(ring: Ring, start: Start): Runs {
  return (times) =>
    new Promise((resolve) => {
      let left = times;
      const over = (): void => {
        if (--left > 0) start(over);
        else resolve();
      };
      start(over);
      ring.kick();
    });
}

function prepared(ring: Ring, plan: Part<unknown, unknown>): Runs {
  const made = ring.prepare(plan);
  let over = (): void => {};
  const ended = (): void => {
    if (made.status !== "fulfilled") throw new Error(`the plan has ${made.status}`);
    over();
  };
  return repeated(ring, (next) => {
    over = next;
    made.start(ended);
  });
}

/** So many files of our own on a disk, gone with the process. */
function files(count: number, bytes: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const path = `/var/tmp/uring-ublk-bench-${process.pid}-${i}`;
    writeFileSync(path, new Uint8Array(bytes).fill(i + 1));
    const fd = openSync(path, "r+");
    unlinkSync(path);
    return fd;
  });
}

function checked(expected: number, done: () => void): (result: number) => void {
  return (result) => {
    if (result !== expected) throw new Error(`an operation ended with ${result}`);
    done();
  };
}

/** Counts the completions of operations that are in flight together, and goes on when all have come. */
function together(expected: number) {
  let left = 0;
  let over = (): void => {};
  return {
    done: checked(expected, () => {
      if (--left === 0) over();
    }),
    begin(count: number, next: () => void): void {
      left = count;
      over = next;
    },
  };
}

/** Four reads of a block, one behind the other, linked. */
export function chainOfReads(ring: Ring, byHand: boolean): Runs {
  const fd = files(1, BLOCK)[0]!;
  const { raw } = ring;
  const memory = Arena.allocate(CHAINED * BLOCK);
  if (!byHand) {
    const reading = (i: number) => read({ fd, buffer: memory.bytes(i * BLOCK, BLOCK), offset: 0 });
    return prepared(ring, chain(reading(0), reading(1), reading(2), reading(3)));
  }
  const reads = together(BLOCK);
  const slots = Array.from({ length: CHAINED }, () => raw.allocate(reads.done));
  const addresses = slots.map((_, i) => memory.address + i * BLOCK);
  return repeated(ring, (next) => {
    reads.begin(CHAINED, next);
    for (let i = 0; i < CHAINED; i++) {
      raw.read(slots[i]!, fd, addresses[i]!, BLOCK, 0, 0);
      if (i < CHAINED - 1) raw.setFlags(abi.IOSQE_IO_LINK);
    }
  });
}

/** A leader, and eight members once it is done: NOPs, or reads of a block. */
export function groupOf(kind: "nop" | "read", ring: Ring, byHand: boolean): Runs {
  const fd = files(1, BLOCK)[0]!;
  const { raw } = ring;
  const memory = Arena.allocate((MEMBERS + 1) * BLOCK);
  if (!byHand) {
    const reading = (i: number) => read({ fd, buffer: memory.bytes(i * BLOCK, BLOCK), offset: 0 });
    const one = (i: number): Part<unknown, unknown> => (kind === "nop" ? nop() : reading(i));
    return prepared(ring, group(one(0), [one(1), one(2), one(3), one(4), one(5), one(6), one(7), one(8)]));
  }
  const expected = kind === "nop" ? 0 : BLOCK;
  const joined = together(expected);
  let over = (): void => {};
  const members = Array.from({ length: MEMBERS }, () => raw.allocate(joined.done));
  const addresses = Array.from({ length: MEMBERS + 1 }, (_, i) => memory.address + i * BLOCK);
  const queue =
    kind === "nop"
      ? (slot: number): void => raw.nop(slot, 0, 0)
      : (slot: number, i: number): void => raw.read(slot, fd, addresses[i]!, BLOCK, 0, 0);
  const leader = raw.allocate(
    checked(expected, () => {
      joined.begin(MEMBERS, over);
      for (let i = 0; i < MEMBERS; i++) queue(members[i]!, i + 1);
    }),
  );
  return repeated(ring, (next) => {
    over = next;
    queue(leader, 0);
  });
}

/** Reads once, writes to four files: as a group, as two submits by hand, or as one linked chain by hand. */
export function copies(ring: Ring, how: "group" | "submits" | "links", bytes: number): Runs {
  const [source, ...targets] = files(COPIES + 1, bytes) as [number, number, number, number, number];
  const { raw } = ring;
  const memory = Arena.allocate(bytes, { populate: true });
  const buffer = memory.bytes(0, bytes);
  if (how === "group") {
    const writing = (i: number) => write({ fd: targets[i]!, buffer, offset: 0 }).exact();
    return prepared(ring, group(read({ fd: source, buffer, offset: 0 }).exact(), [writing(0), writing(1), writing(2), writing(3)]));
  }
  const { address } = memory;
  const written = together(bytes);
  let over = (): void => {};
  const slots = targets.map(() => raw.allocate(written.done));
  const writeAll = (link: boolean): void => {
    written.begin(COPIES, over);
    for (let i = 0; i < COPIES; i++) {
      raw.write(slots[i]!, targets[i]!, address, bytes, 0, 0);
      if (link && i < COPIES - 1) raw.setFlags(abi.IOSQE_IO_LINK);
    }
  };
  const linked = how === "links";
  const leader = raw.allocate(checked(bytes, () => !linked && writeAll(false)));
  return repeated(ring, (next) => {
    over = next;
    raw.read(leader, source, address, bytes, 0, 0);
    if (!linked) return;
    raw.setFlags(abi.IOSQE_IO_LINK);
    writeAll(true);
  });
}
