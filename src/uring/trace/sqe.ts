import { IORING_FILE_INDEX_ALLOC, IOSQE_BUFFER_SELECT, IOSQE_FIXED_FILE } from "../abi.ts";
import {
  SQE_ADDR,
  SQE_ADDR3,
  SQE_ATTR_MASK,
  SQE_BUF,
  SQE_FD,
  SQE_FILE_INDEX,
  SQE_HEAD,
  SQE_LEN,
  SQE_OFF,
  SQE_OP_FLAGS,
} from "../submission.ts";
import { layoutOf, type SqeField } from "./layouts.ts";
import { flagNames, hex, operationName } from "./names.ts";

/** What a driver's command says: its name, and its payload in words. */
export interface CommandText {
  /** The command, as the driver's header calls it. */
  readonly name: string;
  /** Its payload. */
  readonly text: string;
}

/** Turns the command of a `URING_CMD` into words; `at` is where its SQE starts. Undefined for a command that it does not know. */
export type DescribeCommand = (words: Int32Array, at: number) => CommandText | undefined;

/** Fields that are addresses or sets of bits; the others are counts. */
const BITS: ReadonlySet<SqeField> = new Set(["addr", "flags", "ioprio", "addr3"]);
const FIELDS: readonly SqeField[] = ["fd", "off", "addr", "len", "flags", "ioprio", "buf", "index", "addr3"];
const ALIASES: Partial<Record<SqeField, SqeField>> = { target: "addr", otherTarget: "off" };
const COMMANDS = new Set(["URING_CMD", "URING_CMD128"]);
const PAYLOAD_WORDS = 4;

// 64 bits; a number beyond 2^53 is shown as it rounds, and all bits set as -1.
const long = (words: Int32Array, at: number): number => words[at + 1]! * 2 ** 32 + (words[at]! >>> 0);

function numberIn(words: Int32Array, at: number, field: SqeField): number {
  switch (field) {
    case "fd":
      return words[at + SQE_FD]!;
    case "off":
    case "otherTarget":
      return long(words, at + SQE_OFF);
    case "addr":
    case "target":
      return long(words, at + SQE_ADDR);
    case "len":
      return words[at + SQE_LEN]! >>> 0;
    case "flags":
      return words[at + SQE_OP_FLAGS]! >>> 0;
    case "ioprio":
      return words[at + SQE_HEAD]! >>> 16;
    case "buf":
      return words[at + SQE_BUF]! & 0xffff;
    case "index":
      return words[at + SQE_FILE_INDEX]!;
    case "addr3":
      return long(words, at + SQE_ADDR3);
  }
}

function show(words: Int32Array, at: number, field: SqeField, prefix: string | undefined): string {
  const value = numberIn(words, at, field);
  if (field === "target") return userData(words, at + SQE_ADDR);
  if (field === "otherTarget") return userData(words, at + SQE_OFF);
  if (prefix !== undefined) return flagNames(prefix, value);
  if (field === "index" && value === IORING_FILE_INDEX_ALLOC >> 0) return "any";
  return BITS.has(field) && value > 0 ? `0x${value.toString(16)}` : String(value);
}

/** A user_data as the library makes them: the slot, and which of its operations. */
export const userData = (words: Int32Array, at: number): string => `${words[at]!}.${words[at + 1]!}`;

/** Decodes the SQE whose words start at `at`: the operation as the kernel's header calls it (or the driver's command), and its fields. */
export function describeSqe(words: Int32Array, at: number, describe?: DescribeCommand): CommandText {
  const operation = operationName(words[at]! & 0xff);
  const command = COMMANDS.has(operation);
  const said = command ? describe?.(words, at) : undefined;
  const parts: string[] = [];
  const named = new Set<SqeField>();
  const fields = layoutOf(operation);
  for (const { field } of fields) named.add(ALIASES[field] ?? field);
  const grouped = (sqeFlags(words, at) & IOSQE_BUFFER_SELECT) !== 0;
  if (grouped) named.add("buf"); // it is a group then, whatever it is without
  if (!named.has("fd") && words[at + SQE_FD]! !== -1) parts.push(fileOf(words, at));
  if (said !== undefined) parts.push(said.text);
  else {
    if (command) parts.push(`cmd_op=${hex(words[at + SQE_OFF]!)}`);
    for (const { name, field, prefix, optional } of fields) {
      if (field === "buf" && grouped) continue;
      if (!optional || numberIn(words, at, field) !== 0) parts.push(`${name}=${show(words, at, field, prefix)}`);
    }
    if (command) parts.push(`payload=${payloadOf(words, at)}`);
    else parts.push(...unnamed(words, at, named));
  }
  parts.push(...common(words, at));
  return { name: said?.name ?? operation, text: parts.join(" ") };
}

const sqeFlags = (words: Int32Array, at: number): number => (words[at + SQE_HEAD]! >>> 8) & 0xff;

function fileOf(words: Int32Array, at: number): string {
  const fixed = (sqeFlags(words, at) & IOSQE_FIXED_FILE) !== 0;
  return `${fixed ? "file" : "fd"}=${words[at + SQE_FD]!}`;
}

function unnamed(words: Int32Array, at: number, named: ReadonlySet<SqeField>): string[] {
  const parts = FIELDS.filter((field) => field !== "fd" && !named.has(field) && numberIn(words, at, field) !== 0).map(
    (field) => `${field}=${show(words, at, field, undefined)}`,
  );
  if (words[at + SQE_ATTR_MASK]! !== 0) parts.push(`attr_mask=${hex(words[at + SQE_ATTR_MASK]!)}`);
  return parts;
}

// The four words that a command has in an SQE of any size.
const payloadOf = (words: Int32Array, at: number): string =>
  Array.from({ length: PAYLOAD_WORDS }, (_, i) => hex(words[at + SQE_ADDR3 + i]!)).join(",");

function common(words: Int32Array, at: number): string[] {
  const parts: string[] = [];
  const flags = sqeFlags(words, at) & ~IOSQE_FIXED_FILE;
  const personality = words[at + SQE_BUF]! >>> 16;
  if ((flags & IOSQE_BUFFER_SELECT) !== 0) parts.push(`group=${numberIn(words, at, "buf")}`);
  if (flags !== 0) parts.push(`sqe_flags=${flagNames("IOSQE", flags)}`);
  if (personality !== 0) parts.push(`personality=${personality}`);
  return parts;
}
