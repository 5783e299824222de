import { addressOf, isDetached } from "../ffi/index.ts";
import type { Fd } from "./handles.ts";
import type { Lowering } from "./lowering.ts";
import { show } from "./options.ts";
import { SCM_RIGHTS, SOL_SOCKET } from "./socket-constants.ts";
import { cmsghdr } from "./structs.ts";

/** A control message that travels beside the data (`struct cmsghdr`): descriptors, credentials, a time stamp. */
export interface ControlMessage {
  /** The protocol it belongs to: `SOL_SOCKET`, `IPPROTO_IP` and so on. */
  readonly level: number;
  /** Its type within the protocol: `SCM_RIGHTS`, `IP_PKTINFO` and so on. */
  readonly type: number;
  /** Its content. */
  readonly data: Uint8Array;
}

const HEADER = cmsghdr.size;
const FDS_MAX = 253; // SCM_MAX_FD
const aligned = (length: number): number => Math.ceil(length / 8) * 8;

/** The bytes of a control buffer that one message with so much data takes: for the `control` size of a receive (`CMSG_SPACE`). */
export const controlSpace = (dataBytes: number): number => aligned(HEADER + dataBytes);

/**
 * A control message that hands descriptors to the process at the other end of a unix socket (`SCM_RIGHTS`). It gets descriptors of
 * its own; ours stay open.
 *
 * @example
 * ```ts
 * import { controlSpace, descriptorsOf, descriptorsMessage, recvmsg, Ring, sendmsg } from "uring-ublk";
 * import { sys } from "uring-ublk/ffi";
 * await using ring = await Ring.open({ entries: 8 });
 * const [near, far] = sys.socketpair(1, 1);
 * const file = sys.memfdCreate("shared");
 * await ring.run(sendmsg({ fd: near, buffers: [Uint8Array.of(1)], control: [descriptorsMessage([file])] }));
 * const message = await ring.run(recvmsg({ fd: far, buffers: [new Uint8Array(1)], control: controlSpace(4) }));
 * const [received] = descriptorsOf(message.control);
 * console.log(typeof received, received !== file); // number true
 * for (const fd of [near, far, file, received!]) sys.close(fd);
 * ```
 */
export function descriptorsMessage(fds: readonly Fd[]): ControlMessage {
  if (fds.length === 0 || fds.length > FDS_MAX)
    throw new RangeError(`control: ${fds.length} descriptors; a message carries 1 to ${FDS_MAX}`);
  for (const fd of fds) if (!Number.isInteger(fd) || fd < 0) throw new RangeError(`control: ${show(fd)} is no file descriptor`);
  return { level: SOL_SOCKET, type: SCM_RIGHTS, data: new Uint8Array(Int32Array.from(fds).buffer) };
}

/** The descriptors that came with a message. They are the caller's, who closes them. */
export function descriptorsOf(control: readonly ControlMessage[]): Fd[] {
  const fds: Fd[] = [];
  for (const { level, type, data } of control) {
    if (level !== SOL_SOCKET || type !== SCM_RIGHTS) continue;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at + 4 <= data.byteLength; at += 4) fds.push(view.getInt32(at, true));
  }
  return fds;
}

/** The control buffer of a message that is sent: its address and length; 0 and 0 for none. Kept until the final CQE. */
export function encodeControl(messages: readonly ControlMessage[] | undefined, l: Lowering): [address: number, length: number] {
  if (messages === undefined) return [0, 0];
  if (!Array.isArray(messages)) throw new TypeError(`${l.name}: control is ${show(messages)}; it must be an array of control messages`);
  if (messages.length === 0) return [0, 0];
  for (const message of messages as readonly (ControlMessage | undefined)[])
    if (!(message?.data instanceof Uint8Array) || isDetached(message.data))
      throw new TypeError(`${l.name}: control has a message with data ${show(message?.data)}; it must be a Uint8Array`);
  const length = messages.reduce((sum, { data }) => sum + controlSpace(data.length), 0);
  const view = new DataView(new ArrayBuffer(length));
  let at = 0;
  for (const { level, type, data } of messages) {
    cmsghdr.set(view, "cmsg_len", HEADER + data.length, at);
    cmsghdr.set(view, "cmsg_level", l.needed("control's level", level), at);
    cmsghdr.set(view, "cmsg_type", l.needed("control's type", type), at);
    new Uint8Array(view.buffer, at + HEADER).set(data);
    at += controlSpace(data.length);
  }
  l.pin(view);
  return [addressOf(view), length];
}

/** The messages in a control buffer that the kernel filled; their content is copied. */
export function decodeControl(bytes: Uint8Array): ControlMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: ControlMessage[] = [];
  let at = 0;
  while (at + HEADER <= bytes.length) {
    const length = cmsghdr.get(view, "cmsg_len", at);
    if (length < HEADER || at + length > bytes.length) break; // cut off: MSG_CTRUNC says so
    const [level, type] = [cmsghdr.getSigned(view, "cmsg_level", at), cmsghdr.getSigned(view, "cmsg_type", at)];
    messages.push({ level, type, data: bytes.slice(at + HEADER, at + length) });
    at += aligned(length);
  }
  return messages;
}
