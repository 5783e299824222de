import { sys } from "../../ffi/index.ts";
import { IORING_OP_PIPE } from "../abi.ts";
import { O_CLOEXEC } from "../file-constants.ts";
import { type DirectSlot, type Fd, FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { declare, Operation } from "../operation.ts";
import { emptySlot, TABLE_HINTS } from "./descriptors.ts";

/** Options of {@link pipe}. */
export interface PipeOptions {
  /** O_NONBLOCK, O_DIRECT (packets); default 0. Plain descriptors get O_CLOEXEC as well. */
  flags?: number;
}
/** Options of {@link pipeDirect}. */
export interface PipeDirectOptions extends PipeOptions {
  /** Where in the ring's file table: the reader's slot, the writer's is the next one; `"any"` lets the kernel choose two. */
  slot: DirectSlot;
}

/** Both ends of a pipe. */
export interface PipeEnds<End extends Fd | FixedFile> {
  /** Read from this one. */
  readonly reader: End;
  /** Write to this one. */
  readonly writer: End;
}

const INTS = 8; // int[2]

const pair = (l: Lowering): [number, number] => [l.output.getInt32(0, true), l.output.getInt32(4, true)];

export const PIPE = declare({
  name: "pipe",
  opcode: IORING_OP_PIPE,
  syscall: "pipe2(2)",
  since: "6.16",
  completions: "one",
  severs: true,
  options: ["flags"],
  raw(slot: number, fds: number, flags: number, fileIndex: number) {
    this.prep(IORING_OP_PIPE, slot, 0, 0, fds, 0, flags, 0, fileIndex, 0);
  },
  lower: (o: PipeOptions, l) => [l.allocate(INTS), l.word("flags", o.flags) | O_CLOEXEC, 0],
  result(_result, _flags, _o, l): PipeEnds<Fd> {
    const [reader, writer] = pair(l);
    return { reader, writer };
  },
  discard(_result, _flags, _o, _ring, l) {
    for (const fd of pair(l)) sys.close(fd);
  },
});

// The kernel writes the slots it chose; for given ones it writes nothing of use.
function slots(o: PipeDirectOptions, l: Lowering): [number, number] {
  return o.slot === "any" ? pair(l) : [o.slot.slot, o.slot.slot + 1];
}

export const PIPE_DIRECT = declare({
  name: "pipeDirect",
  opcode: IORING_OP_PIPE,
  syscall: "pipe2(2)",
  since: "6.16",
  completions: "one",
  severs: true,
  options: ["flags", "slot"],
  hints: {
    ...TABLE_HINTS,
    EINVAL: "two slots from there do not fit in the ring's file table, or a flag is refused",
  },
  raw: PIPE.raw,
  // A table slot has no descriptor flags: the kernel refuses O_CLOEXEC with one.
  lower: (o: PipeDirectOptions, l) => [l.allocate(INTS), l.word("flags", o.flags) & ~O_CLOEXEC, l.place(o.slot)],
  result(_result, _flags, o: PipeDirectOptions, l): PipeEnds<FixedFile> {
    const [reader, writer] = slots(o, l);
    return { reader: new FixedFile(reader), writer: new FixedFile(writer) };
  },
  discard(_result, _flags, o, ring, l) {
    for (const slot of slots(o, l)) emptySlot(slot, ring);
  },
});

/**
 * Makes a pipe: `IORING_OP_PIPE`, since 6.16; as `pipe2(2)`. Resolves to both descriptors, which the caller closes.
 *
 * Errors: EMFILE, ENFILE, EINVAL (flags). An error severs a soft link. The result's memory is the operation's own.
 *
 * @example
 * ```ts
 * import { close, pipe, read, Ring, write } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8 });
 * let count = 5;
 * if (ring.supports(pipe())) {
 *   const { reader, writer } = await ring.run(pipe());
 *   await ring.run(write({ fd: writer, buffer: new TextEncoder().encode("hello") }));
 *   count = await ring.run(read({ fd: reader, buffer: new Uint8Array(16) }));
 *   await Promise.all([ring.run(close({ fd: reader })), ring.run(close({ fd: writer }))]);
 * }
 * console.log(count); // 5
 * ```
 */
export const pipe = (options: PipeOptions = {}): Operation<PipeEnds<Fd>> => new Operation(PIPE, options);

/**
 * Makes a pipe in two slots of the ring's file table: `IORING_OP_PIPE` with direct descriptors, since 6.16. As {@link pipe}; resolves to
 * both {@link FixedFile}s. Needs `fixedFiles` on the ring. Errors: also ENXIO, ENFILE (no table, or no room in it), EINVAL (slots
 * outside). An error severs a soft link. The result's memory is the operation's own.
 *
 * @example
 * ```ts
 * import { closeDirect, pipeDirect, read, Ring, write } from "uring-ublk";
 * await using ring = await Ring.open({ entries: 8, fixedFiles: 4 });
 * let count = 5;
 * if (ring.supports(pipeDirect({ slot: "any" }))) {
 *   const { reader, writer } = await ring.run(pipeDirect({ slot: "any" }));
 *   await ring.run(write({ fd: writer, buffer: new TextEncoder().encode("hello") }));
 *   count = await ring.run(read({ fd: reader, buffer: new Uint8Array(16) }));
 *   await Promise.all([ring.run(closeDirect({ slot: reader })), ring.run(closeDirect({ slot: writer }))]);
 * }
 * console.log(count); // 5
 * ```
 */
export const pipeDirect = (options: PipeDirectOptions): Operation<PipeEnds<FixedFile>> => new Operation(PIPE_DIRECT, options);
