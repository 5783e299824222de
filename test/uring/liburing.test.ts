/** Every SQE against the one that liburing's own prep functions write: two hands that wrote from the same header. */
import { describe, expect, test } from "bun:test";
import { abi, RawRing } from "uring-ublk/uring";
import { controlWriters } from "../../src/uring/writers/control.ts";
import { fileWriters } from "../../src/uring/writers/files.ts";
import { socketWriters } from "../../src/uring/writers/sockets.ts";
import layout from "../fixtures/layout.json" with { type: "json" };
import { kernelAtLeast, requires } from "../support/requires.ts";
import { LIBURING, Liburing } from "./support/liburing.ts";
import { CONTROL_PAIRS, FILE_PAIRS, type Pair, SOCKET_PAIRS, type SqeField } from "./support/prep-table.ts";

const found = await Liburing.fetch();
const t = requires(typeof found !== "string", String(found));
const liburing = (): Liburing => found as Liburing;

const PAIRS: readonly Pair[] = [...FILE_PAIRS, ...SOCKET_PAIRS, ...CONTROL_PAIRS];
const FIELDS = layout.structs.io_uring_sqe.fields as Record<SqeField, number[]>;

/** The first value of each argument; then each other value of each, the others as they were; then the last value of each. */
function argumentSets(domains: Pair["domains"]): number[][] {
  const first = domains.map((values) => values[0]!);
  const others = domains.flatMap((values, at) => values.slice(1).map((value) => first.with(at, value)));
  return [first, ...others, domains.map((values) => values.at(-1)!)];
}

function setField(sqe: DataView, name: SqeField, value: number | bigint): void {
  const [offset, size] = FIELDS[name] as [number, number];
  if (size === 8) sqe.setBigUint64(offset, BigInt.asUintN(64, BigInt(value)), true);
  else if (size === 4) sqe.setUint32(offset, Number(BigInt.asUintN(32, BigInt(value))), true);
  else if (size === 2) sqe.setUint16(offset, Number(value), true);
  else sqe.setUint8(offset, Number(value));
}

/** The bytes as hexadecimal words, without user_data, which says nothing about an operation. */
function shown(sqe: DataView, bytes: number): string[] {
  sqe.setBigUint64(FIELDS.user_data[0]!, 0n, true);
  return Array.from({ length: bytes / 4 }, (_, i) => sqe.getUint32(i * 4, true).toString(16));
}

/** What our writer puts over stale bytes. */
function ours(raw: RawRing, bytes: number, write: (slot: number) => void): string[] {
  const at = raw.queued * bytes;
  raw.words.fill(0x55555555, at / 4, (at + bytes) / 4);
  write(raw.allocate(() => {}));
  const { buffer, byteOffset } = raw.words;
  return shown(new DataView(buffer.slice(byteOffset + at, byteOffset + at + bytes)), bytes);
}

function compare({ writer, domains, prep, set, modify, extra = 0 }: Pair): number {
  const sets = argumentSets(domains);
  using raw = new RawRing({ entries: sets.length });
  for (const args of sets) {
    const [name, signature, theirArgs] = prep(args);
    const theirs = liburing().prep(name, signature, theirArgs);
    for (const [field, value] of Object.entries(set?.(args) ?? {})) setField(theirs, field as SqeField, value);
    const bytes = ours(raw, 64, (slot) => {
      (raw[writer] as (slot: number, ...args: number[]) => void)(slot, ...args.slice(0, args.length - extra));
      modify?.(raw, args);
    });
    expect({ writer, args, bytes }).toEqual({ writer, args, bytes: shown(theirs, 64) });
  }
  return sets.length;
}

describe("the bytes of liburing and of the raw writer are the same:", () => {
  for (const [index, pair] of PAIRS.entries()) {
    const again = PAIRS.slice(0, index).filter(({ writer }) => writer === pair.writer).length;
    t(again === 0 ? pair.writer : `${pair.writer}, form ${again + 1}`, () => {
      expect(compare(pair)).toBeGreaterThan(2);
    });
  }

  // Where every SQE has 128 bytes, the plain opcode does; on a mixed ring it has one of its own.
  const large = kernelAtLeast("6.19") ? ({ entries: 2, sqe: "mixed" } as const) : ({ entries: 1, sqe: 128 } as const);
  const opcodeOf = (short: number, long: number): number => (large.sqe === "mixed" ? long : short);

  t("nop128", () => {
    for (const [flags, result, fd, index] of [
      [0, 0, -1, 0],
      [15, -5, 7, 3],
    ] as const) {
      const theirs = liburing().prep("nop128", "", []);
      setField(theirs, "opcode", opcodeOf(abi.IORING_OP_NOP, abi.IORING_OP_NOP128));
      for (const [field, value] of Object.entries({ nop_flags: flags, len: result, fd, buf_index: index }))
        setField(theirs, field as SqeField, value);
      using raw = new RawRing(large);
      expect(ours(raw, 128, (slot) => raw.nop128(slot, flags, result, fd, index))).toEqual(shown(theirs, 128));
    }
  });

  t("uringCmd128", () => {
    for (const words of [0, 3, 20]) {
      const payload = Int32Array.from({ length: words }, (_, i) => 0x7fff_fff0 + i);
      const theirs = liburing().prep("uring_cmd128", "ii", [0xc0207520, 7]);
      setField(theirs, "opcode", opcodeOf(abi.IORING_OP_URING_CMD, abi.IORING_OP_URING_CMD128));
      setField(theirs, "addr", 2 ** 40 + 5);
      setField(theirs, "uring_cmd_flags", 1);
      setField(theirs, "buf_index", 0xffff);
      for (const [i, word] of payload.entries()) theirs.setInt32(FIELDS.cmd[0]! + 4 * i, word, true);
      using raw = new RawRing(large);
      expect(ours(raw, 128, (slot) => raw.uringCmd128(slot, 7, 0xc0207520, 2 ** 40 + 5, payload, 1, 0xffff))).toEqual(shown(theirs, 128));
    }
  });

  t("flags and the group of buffers, set afterwards", () => {
    for (const flags of [0, 1, 0x15, 0x7f]) {
      const theirs = liburing().prep("read", "iquq", [7, 4096, 100, -1]);
      liburing().set(theirs, "flags", flags);
      liburing().set(theirs, "buf_group", 0xfffe);
      using raw = new RawRing({ entries: 1 });
      const bytes = ours(raw, 64, (slot) => {
        raw.readProvided(slot, 7, 0xfffe, 100, -1, 0);
        raw.setFlags(flags);
      });
      setField(theirs, "addr", 0);
      setField(theirs, "flags", flags | abi.IOSQE_BUFFER_SELECT);
      expect(bytes).toEqual(shown(theirs, 64));
    }
  });
});

describe("the comparison", () => {
  test("covers every raw writer", () => {
    const writers = Object.keys({ ...fileWriters, ...socketWriters, ...controlWriters });
    const compared = new Set<string>([...PAIRS.map(({ writer }) => writer), "nop128", "uringCmd128"]);
    expect(writers.filter((name) => !compared.has(name))).toEqual([]);
    expect(writers.length).toBeGreaterThan(65);
  });

  // What liburing has no function of its own for: its general one stands in, and fields are set by hand.
  const WITHOUT = ["recvZc"];

  t("stands on a prep function of the operation itself, but for a known few", () => {
    const general = PAIRS.filter(({ prep, domains }) => prep(argumentSets(domains)[0]!)[0] === "rw");
    expect(general.map(({ writer }) => writer) as string[]).toEqual(WITHOUT);
  });

  // Short for others: from the working directory, or with a pointer where a number goes.
  const SHORTHANDS = ["cancel", "link", "mkdir", "open", "open_direct", "readv", "rename", "symlink", "unlink", "writev"];
  // Commands of drivers: uringCmd writes them, their payloads are the drivers' own business. And a part of sendto.
  const OTHERS = ["cmd_discard", "send_set_addr"];

  const version = typeof found === "string" ? "none" : found.version;
  requires(version === LIBURING, `needs liburing ${LIBURING}, and this is ${version}`)("leaves none of its prep functions out", () => {
    for (const pair of PAIRS) for (const args of argumentSets(pair.domains)) liburing().prep(...pair.prep(args));
    for (const name of ["nop128", "uring_cmd128"]) liburing().used.add(name);
    const unused = liburing().exported.filter((name) => !liburing().used.has(name));
    expect(unused).toEqual([...SHORTHANDS, ...OTHERS].sort());
  });
});
