import { IORING_RECVSEND_FIXED_BUF } from "../abi.ts";
import type { FeatureName } from "../features.ts";
import { type Fd, FixedBuffer, type FixedFile } from "../handles.ts";
import type { Lowering } from "../lowering.ts";
import { checkBoolean, checkInteger, show } from "../options.ts";
import { encodeSocketAddress, type SocketAddress } from "../socket-address.ts";
import { MSG_WAITALL } from "../socket-constants.ts";

/** What every operation that sends or receives takes. */
export interface TransferBase {
  /** The socket: a descriptor, or a slot of the ring's file table. */
  fd: Fd | FixedFile;
  /** `MSG_*` flags. */
  flags?: number;
  /** The socket is expected not to be ready: wait for it before the first attempt (`RECVSEND_POLL_FIRST`, 5.19). */
  pollFirst?: boolean;
}

/** The names of the options of {@link TransferBase}. */
export const TRANSFER = ["fd", "flags", "pollFirst"] as const;

/** Lowers the options of {@link TransferBase}: answers the descriptor and the `MSG_*` flags. */
export function transfer(o: TransferBase, l: Lowering, forced = 0): [fd: number, flags: number] {
  flagged("pollFirst", o.pollFirst, "IORING_RECVSEND_POLL_FIRST", l);
  return [l.file(o.fd), l.word("flags", o.flags) | forced];
}

/** The same for a multishot receive, which has no whole length to wait for. */
export function multishotTransfer(o: TransferBase, l: Lowering, forced = 0): [fd: number, flags: number] {
  if ((l.word("flags", o.flags) & MSG_WAITALL) !== 0)
    throw new RangeError(`${l.name}: flags has MSG_WAITALL, which a multishot receive excludes; leave it out`);
  return transfer(o, l, forced);
}

/** Where data goes to or comes from: the address, the length and the buffer index of the SQE. */
export function region(
  buffer: { readonly byteLength: number } | FixedBuffer<"memory" | "source" | "sink">,
  l: Lowering,
): [address: number, length: number, index: number] {
  if (buffer instanceof FixedBuffer) {
    const { address, index, length } = l.fixed("buffer", buffer);
    l.ioprio |= IORING_RECVSEND_FIXED_BUF;
    return [address, checkInteger(l.name, "buffer's length", length, 0, 0x7fff_ffff), index];
  }
  if (!ArrayBuffer.isView(buffer) && !(buffer instanceof ArrayBuffer) && !(buffer instanceof SharedArrayBuffer))
    throw new TypeError(`${l.name}: buffer is ${show(buffer)}; it must be a typed array, an ArrayBuffer or a FixedBuffer`);
  return [l.data("buffer", buffer), checkInteger(l.name, "buffer's length", buffer.byteLength, 0, 0x7fff_ffff), 0];
}

/** The bytes of an address, kept until the final CQE: their address and number, or 0 and 0 for none. */
export function destination(address: SocketAddress | undefined, l: Lowering): [address: number, length: number] {
  if (address === undefined) return [0, 0];
  try {
    const bytes = encodeSocketAddress(address);
    return [l.memory(bytes), bytes.length];
  } catch (error) {
    (error as Error).message = `${l.name}: ${(error as Error).message}`;
    throw error;
  }
}

/** An option of the kind "yes or no" that sets a flag of the SQE's ioprio. */
export function flagged(option: string, value: boolean | undefined, flag: FeatureName, l: Lowering): void {
  if (value !== undefined && checkBoolean(l.name, option, value)) l.ioprio |= l.needs(flag);
}
