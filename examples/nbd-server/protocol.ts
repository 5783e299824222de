/** The server's side of the NBD protocol: fixed newstyle negotiation, simple replies. Numbers are big-endian. */
const NBDMAGIC = 0x4e42_444d_4147_4943n;
const IHAVEOPT = 0x4948_4156_454f_5054n;
const OPTION_REPLY = 0x0003_e889_0455_65a9n;
const REQUEST = 0x2560_9513;
const SIMPLE_REPLY = 0x6744_6698;

export const Flags = { FIXED_NEWSTYLE: 1, NO_ZEROES: 2 } as const;
export const Opt = { EXPORT_NAME: 1, ABORT: 2, LIST: 3, INFO: 6, GO: 7 } as const;
export const Rep = { ACK: 1, SERVER: 2, INFO: 3, UNSUPPORTED: 0x8000_0001, INVALID: 0x8000_0003, UNKNOWN: 0x8000_0006 } as const;
export const Can = { HAS_FLAGS: 1, READ_ONLY: 2, FLUSH: 4, FUA: 8, TRIM: 32, WRITE_ZEROES: 64, MULTI_CONN: 256 } as const;
export const Command = { READ: 0, WRITE: 1, DISC: 2, FLUSH: 3, TRIM: 4, WRITE_ZEROES: 6 } as const;
export const Flag = { FUA: 1, NO_HOLE: 2 } as const;
export const Errno = { EPERM: 1, EIO: 5, ENOMEM: 12, EINVAL: 22, ENOSPC: 28, EOVERFLOW: 75, ENOTSUP: 95 } as const;

/** The longest READ or WRITE, as clients are told. */
export const LARGEST = 2 ** 20;
const PREFERRED = 4096;
const INFO_EXPORT = 0;
const INFO_BLOCK_SIZE = 3;
/** Zeros that the oldest form of the negotiation ends with. */
const ZEROES = 124;

/** What is served. */
export interface Export {
  readonly name: string;
  readonly size: number;
  /** {@link Can}. */
  readonly flags: number;
}

/** The client does not speak as it should: its connection ends. */
export class ProtocolError extends Error {}

type Bytes = Uint8Array<ArrayBuffer>;

function message(length: number, fill: (view: DataView) => void): Bytes {
  const bytes = new Uint8Array(length);
  fill(new DataView(bytes.buffer));
  return bytes;
}

export const greeting = (): Bytes =>
  message(18, (view) => {
    view.setBigUint64(0, NBDMAGIC);
    view.setBigUint64(8, IHAVEOPT);
    view.setUint16(16, Flags.FIXED_NEWSTYLE | Flags.NO_ZEROES);
  });

/** The head of an option, which is 16 bytes. */
export function decodeOption(bytes: Bytes): { option: number; length: number } {
  const view = new DataView(bytes.buffer);
  if (view.getBigUint64(0) !== IHAVEOPT) throw new ProtocolError("an option does not begin with IHAVEOPT");
  return { option: view.getUint32(8), length: view.getUint32(12) };
}

export function optionReply(option: number, type: number, data: Uint8Array = new Uint8Array(0)): Bytes {
  const bytes = message(20 + data.length, (view) => {
    view.setBigUint64(0, OPTION_REPLY);
    view.setUint32(8, option);
    view.setUint32(12, type);
    view.setUint32(16, data.length);
  });
  bytes.set(data, 20);
  return bytes;
}

/** The name in the data of NBD_OPT_INFO and NBD_OPT_GO; undefined when the data is no such thing. */
export function nameOf(data: Bytes): string | undefined {
  const view = new DataView(data.buffer);
  if (data.length < 6) return undefined;
  const length = view.getUint32(0);
  if (length > data.length - 6 || data.length !== 6 + length + 2 * view.getUint16(4 + length)) return undefined;
  return new TextDecoder().decode(data.subarray(4, 4 + length));
}

export const exportInfo = ({ size, flags }: Export): Bytes =>
  message(12, (view) => {
    view.setUint16(0, INFO_EXPORT);
    view.setBigUint64(2, BigInt(size));
    view.setUint16(10, flags);
  });

export const blockSizeInfo = (): Bytes =>
  message(14, (view) => {
    view.setUint16(0, INFO_BLOCK_SIZE);
    view.setUint32(2, 1);
    view.setUint32(6, PREFERRED);
    view.setUint32(10, LARGEST);
  });

/** The data of NBD_REP_SERVER. */
export function listed({ name }: Export): Bytes {
  const text = new TextEncoder().encode(name);
  const bytes = message(4 + text.length, (view) => view.setUint32(0, text.length));
  bytes.set(text, 4);
  return bytes;
}

/** How NBD_OPT_EXPORT_NAME, the oldest of the options, is answered. */
export const oldAnswer = ({ size, flags }: Export, withZeroes: boolean): Bytes =>
  message(withZeroes ? 10 + ZEROES : 10, (view) => {
    view.setBigUint64(0, BigInt(size));
    view.setUint16(8, flags);
  });

/** A request, as its head of 28 bytes says. */
export interface Request {
  readonly command: number;
  readonly flags: number;
  readonly cookie: bigint;
  readonly offset: number;
  readonly length: number;
}

export function decodeRequest(bytes: Bytes): Request {
  const view = new DataView(bytes.buffer);
  if (view.getUint32(0) !== REQUEST) throw new ProtocolError("a request does not begin with its magic");
  return {
    flags: view.getUint16(4),
    command: view.getUint16(6),
    cookie: view.getBigUint64(8),
    offset: Number(view.getBigUint64(16)), // what a Number cannot hold lies behind every end
    length: view.getUint32(24),
  };
}

export const reply = (cookie: bigint, error: number): Bytes =>
  message(16, (view) => {
    view.setUint32(0, SIMPLE_REPLY);
    view.setUint32(4, error);
    view.setBigUint64(8, cookie);
  });
