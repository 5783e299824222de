/**
 * What `URING_UBLK_TRACE=1` says of ublk: its commands by name and field, and the requests that a completion brings.
 *
 * @module
 */
import * as io from "../uring/abi.ts";
import type { RingTrace } from "../uring/trace/ring-trace.ts";
import * as abi from "./abi.ts";
import { DESCRIPTOR_WORDS } from "./request.ts";
import { CHAR_FILE } from "./tag-commands.ts";

const CONSTANTS = Object.entries<number | bigint>(abi).filter((entry): entry is [string, number] => typeof entry[1] === "number");
const named = (prefix: string): [number, string][] =>
  CONSTANTS.filter(([name]) => name.startsWith(prefix)).map(([name, value]) => [value, name.slice(prefix.length)]);

// By the lower 8 bits, which are the command in both encodings.
const CONTROL = new Map(named("UBLK_U_CMD_").map(([value, name]) => [value & 0xff, name]));
const IO = new Map(named("UBLK_U_IO_").map(([value, name]) => [value & 0xff, name]));
const OPERATIONS = new Map(named("UBLK_IO_OP_"));
const FLAGS = named("UBLK_IO_F_").sort(([a], [b]) => a - b);

const CMD_OP = 2;
const SQE_ADDR = 4; // which slot a request's pages go to, in zero-copy modes
const PAYLOAD = 12;
const BUFFER_COMMANDS: ReadonlySet<number> = new Set([abi.UBLK_U_IO_REGISTER_IO_BUF & 0xff, abi.UBLK_U_IO_UNREGISTER_IO_BUF & 0xff]);

const long = (words: Int32Array, at: number): number => words[at + 1]! * 2 ** 32 + (words[at]! >>> 0);
const address = (value: number): string => `0x${value.toString(16)}`;

/** A command of `/dev/ublk-control`. */
function describeControl(words: Int32Array, at: number): { name: string; text: string } | undefined {
  const name = CONTROL.get(words[at + CMD_OP]! & 0xff);
  return name === undefined ? undefined : { name, text: controlText(words, at + PAYLOAD) };
}

/** A command of a tag: one of the char device. The target may send others, to files of its own. */
function describeIo(words: Int32Array, at: number): { name: string; text: string } | undefined {
  if (((words[at]! >>> 8) & io.IOSQE_FIXED_FILE) === 0 || words[at + 1]! !== CHAR_FILE) return undefined;
  const command = words[at + CMD_OP]! & 0xff;
  const name = IO.get(command);
  return name === undefined ? undefined : { name, text: ioText(words, at, BUFFER_COMMANDS.has(command)) };
}

// struct ublksrv_ctrl_cmd
function controlText(words: Int32Array, at: number): string {
  const device = words[at]!;
  const bytes = words[at + 1]! >>> 16;
  const parts = [`device=${device === -1 ? "any" : device}`];
  if (bytes > 0) parts.push(`addr=${address(long(words, at + 2))}`, `len=${bytes}`);
  if (long(words, at + 4) !== 0) parts.push(`data=${long(words, at + 4)}`);
  return parts.join(" ");
}

// struct ublksrv_io_cmd
function ioText(words: Int32Array, at: number, slotIsAddress: boolean): string {
  const [tags, result, reg] = [words[at + PAYLOAD]!, words[at + PAYLOAD + 1]!, words[at + SQE_ADDR]!];
  const buffer = long(words, at + PAYLOAD + 2);
  const parts = [`queue=${tags & 0xffff}`, `tag=${tags >>> 16}`];
  if (slotIsAddress) return [...parts, `slot=${buffer}`].join(" ");
  parts.push(`result=${result}`);
  if (buffer !== 0) parts.push(`addr=${address(buffer)}`);
  else parts.push(`slot=${reg & 0xffff}${((reg >>> 16) & abi.UBLK_AUTO_BUF_REG_FALLBACK) !== 0 ? " FALLBACK" : ""}`);
  return parts.join(" ");
}

/** A request's descriptor. */
export function requestText(iod: Int32Array, tag: number): string {
  const at = tag * DESCRIPTOR_WORDS;
  const word = iod[at]!;
  const operation = word & 0xff;
  const flags = FLAGS.filter(([bit]) => (word & bit) !== 0).map(([, name]) => name);
  const range = operation === abi.UBLK_IO_OP_FLUSH ? "" : ` sector=${long(iod, at + 2)} sectors=${iod[at + 1]! >>> 0}`;
  return `${OPERATIONS.get(operation) ?? `op ${operation}`}${range}${flags.length === 0 ? "" : ` ${flags.join("|")}`}`;
}

/** Has a ring's commands told by their names. */
export function traceCommands(trace: RingTrace | undefined): void {
  if (trace !== undefined) trace.describeCommand = describeControl;
}

/** The same for the ring of a queue, and has the requests told that arrive on its tags. */
export function traceQueue(trace: RingTrace | undefined, iod: Int32Array, depth: number): void {
  if (trace === undefined) return;
  trace.describeCommand = describeIo;
  trace.annotate = (slot, result) => (slot < depth && result === 0 ? `| ${requestText(iod, slot)}` : undefined);
}
