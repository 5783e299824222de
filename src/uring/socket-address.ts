import { sys } from "../ffi/index.ts";
import type { Fd } from "./handles.ts";
import { formatIpv6, parseIpv4, parseIpv6 } from "./ip-address.ts";
import { show } from "./options.ts";
import { AF_INET, AF_INET6, AF_UNIX } from "./socket-constants.ts";

/** An IPv4 address and port (`struct sockaddr_in`). */
export interface Ipv4Address {
  /** Tells the kinds of addresses apart. */
  readonly family: "ipv4";
  /** Four decimal numbers: `"127.0.0.1"`. */
  readonly address: string;
  /** 0 to 65535; 0 lets bind choose. */
  readonly port: number;
}

/** An IPv6 address and port (`struct sockaddr_in6`). */
export interface Ipv6Address {
  /** Tells the kinds of addresses apart. */
  readonly family: "ipv6";
  /** As in `"::1"` or `"2001:db8::7"`; without a zone. */
  readonly address: string;
  /** 0 to 65535; 0 lets bind choose. */
  readonly port: number;
  /** The flow label; 0 when left out. */
  readonly flowInfo?: number;
  /** The interface's index, for link-local addresses; 0 when left out. */
  readonly scopeId?: number;
}

/** An address of the unix family (`struct sockaddr_un`): a path, an abstract name, or neither. */
export interface UnixAddress {
  /** Tells the kinds of addresses apart. */
  readonly family: "unix";
  /** A path in the file system, 107 bytes at most. */
  readonly path?: string;
  /** A name in the abstract namespace, which needs no file: 107 bytes at most. With neither, a socket has no name (bind picks one). */
  readonly abstract?: string;
}

/** An address of a family that has no type of its own here (netlink, vsock, packet). */
export interface OtherAddress {
  /** Tells the kinds of addresses apart. */
  readonly family: "other";
  /** The whole `struct sockaddr`, its family (16 bits, in the machine's byte order) first. */
  readonly bytes: Uint8Array;
}

/** Where a socket is: what bind, connect and send take, and accept and receive tell. */
export type SocketAddress = Ipv4Address | Ipv6Address | UnixAddress | OtherAddress;

const UNIX_BYTES = 108;
const PATH_MAX = UNIX_BYTES - 1;
const STORAGE_BYTES = 128; // sizeof(struct sockaddr_storage): what any address fits in

function portOf(port: unknown): number {
  if (typeof port === "number" && Number.isInteger(port) && port >= 0 && port <= 0xffff) return port;
  throw new RangeError(`address: port is ${show(port)}; it must be an integer from 0 to 65535`);
}

function wordOf(name: string, value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) return value;
  throw new RangeError(`address: ${name} is ${show(value)}; it must be an integer from 0 to 4294967295`);
}

function structure(family: number, bytes: number): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint16(0, family, true);
  return view;
}

const bytesOf = (view: DataView<ArrayBuffer>): Uint8Array<ArrayBuffer> => new Uint8Array(view.buffer);

function encodeIpv4({ address, port }: Ipv4Address): Uint8Array<ArrayBuffer> {
  const view = structure(AF_INET, 16);
  view.setUint16(2, portOf(port)); // the network's byte order
  bytesOf(view).set(parseIpv4(address), 4);
  return bytesOf(view);
}

function encodeIpv6({ address, port, flowInfo, scopeId }: Ipv6Address): Uint8Array<ArrayBuffer> {
  const view = structure(AF_INET6, 28);
  view.setUint16(2, portOf(port));
  view.setUint32(4, wordOf("flowInfo", flowInfo));
  bytesOf(view).set(parseIpv6(address), 8);
  view.setUint32(24, wordOf("scopeId", scopeId), true);
  return bytesOf(view);
}

function encodeUnix({ path, abstract }: UnixAddress): Uint8Array<ArrayBuffer> {
  if (path !== undefined && abstract !== undefined) throw new TypeError("address: path and abstract exclude each other");
  const [option, text] = path === undefined ? ["abstract", abstract] : ["path", path];
  if (text === undefined) return bytesOf(structure(AF_UNIX, 2));
  if (typeof text !== "string" || (text === "" && option === "path"))
    throw new TypeError(`address: ${option} is ${show(text)}; it must be text`);
  if (option === "path" && text.includes("\0"))
    throw new TypeError("address: path contains a NUL byte; names that start with one are 'abstract'");
  const name = new TextEncoder().encode(text);
  if (name.length > PATH_MAX) throw new RangeError(`address: ${option} is ${name.length} bytes; a unix address holds ${PATH_MAX}`);
  // A path ends with a NUL, an abstract name starts with one; its length is that of the address.
  const view = structure(AF_UNIX, 2 + name.length + 1);
  bytesOf(view).set(name, option === "path" ? 2 : 3);
  return bytesOf(view);
}

/**
 * The bytes of a `struct sockaddr`, as bind(2) takes them.
 *
 * @throws TypeError or RangeError for what is no address: the message says which part.
 * @example
 * ```ts
 * import { decodeSocketAddress, encodeSocketAddress } from "uring-ublk";
 * const bytes = encodeSocketAddress({ family: "ipv6", address: "2001:DB8:0:0::7", port: 443 });
 * const address = decodeSocketAddress(bytes);
 * console.log(bytes.length, address.family === "ipv6" && address.address); // 28 2001:db8::7
 * ```
 */
export function encodeSocketAddress(address: SocketAddress): Uint8Array<ArrayBuffer> {
  switch (address?.family) {
    case "ipv4":
      return encodeIpv4(address);
    case "ipv6":
      return encodeIpv6(address);
    case "unix":
      return encodeUnix(address);
    case "other":
      if (!(address.bytes instanceof Uint8Array) || address.bytes.length < 2 || address.bytes.length > STORAGE_BYTES)
        throw new RangeError(`address: bytes must be a struct sockaddr of 2 to ${STORAGE_BYTES} bytes`);
      return new Uint8Array(address.bytes);
    default:
      throw new TypeError(`address is ${familyOf(address)}; its family must be 'ipv4', 'ipv6', 'unix' or 'other'`);
  }
}

function familyOf(address: unknown): string {
  if (typeof address !== "object" || address === null) return show(address);
  return `${show(address)} of family ${show((address as { family?: unknown }).family)}`;
}

function decodeUnix(bytes: Uint8Array): UnixAddress {
  if (bytes.length === 0) return { family: "unix" };
  if (bytes[0] === 0) return { family: "unix", abstract: new TextDecoder().decode(bytes.subarray(1)) };
  const end = bytes.indexOf(0);
  return { family: "unix", path: new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)) };
}

/** What a `struct sockaddr` says. No bytes at all, which is what an unnamed peer is told as, are a unix address without a name. */
export function decodeSocketAddress(bytes: Uint8Array): SocketAddress {
  if (bytes.length < 2) return { family: "unix" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, true);
  if (family === AF_INET && bytes.length >= 16) return { family: "ipv4", address: bytes.subarray(4, 8).join("."), port: view.getUint16(2) };
  if (family === AF_INET6 && bytes.length >= 28) {
    return {
      family: "ipv6",
      address: formatIpv6(bytes.subarray(8, 24)),
      port: view.getUint16(2),
      flowInfo: view.getUint32(4),
      scopeId: view.getUint32(24, true),
    };
  }
  if (family === AF_UNIX) return decodeUnix(bytes.subarray(2));
  return { family: "other", bytes: bytes.slice() };
}

/** The address a socket is bound to (`getsockname(2)`, at once): the port that the kernel chose, for example. */
export const socketName = (fd: Fd): SocketAddress => decodeSocketAddress(sys.getsockname(fd));

/** The address a socket is connected to (`getpeername(2)`, at once). */
export const peerName = (fd: Fd): SocketAddress => decodeSocketAddress(sys.getpeername(fd));

/** Memory of a {@link Lowering} for an address that the kernel tells, with its length (`socklen_t`) behind it. */
export const NAME_OUTPUT = { bytes: STORAGE_BYTES + 4, lengthAt: STORAGE_BYTES } as const;

/** What the kernel wrote there. */
export function nameFrom(output: DataView<ArrayBuffer>): SocketAddress {
  const length = output.getUint32(NAME_OUTPUT.lengthAt, true);
  return decodeSocketAddress(new Uint8Array(output.buffer, 0, Math.min(length, STORAGE_BYTES)));
}
