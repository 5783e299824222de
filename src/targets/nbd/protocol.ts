/**
 * The bytes of the NBD protocol, as far as this client speaks it: fixed newstyle negotiation with NBD_OPT_GO, and simple replies. All
 * numbers are big-endian. The protocol's document is `doc/proto.md` of the NBD project.
 *
 * @module
 */

/** What a server says first, and what comes before every option of the client ("NBDMAGIC", "IHAVEOPT"). */
const NBDMAGIC = [0x4e42444d, 0x41474943] as const;
const IHAVEOPT = [0x49484156, 0x454f5054] as const;
const OPTION_REPLY = [0x0003_e889, 0x0455_65a9] as const;
const REQUEST = 0x2560_9513;
const SIMPLE_REPLY = 0x6744_6698;

/** The server speaks the fixed newstyle negotiation; and it leaves out 124 zeros nobody needs. */
const FIXED_NEWSTYLE = 1;
const NO_ZEROES = 2;

/** Ends the negotiation with an export: what the client asks for. */
export const OPT_GO = 7;
/** Replies to an option. Errors have the highest bit. */
export const REP_ACK = 1;
export const REP_INFO = 3;
const INFO_EXPORT = 0;
const INFO_BLOCK_SIZE = 3;

/** What a server can do with an export: its transmission flags. */
export const Can = Object.freeze({
  READ_ONLY: 1 << 1,
  FLUSH: 1 << 2,
  FUA: 1 << 3,
  ROTATIONAL: 1 << 4,
  TRIM: 1 << 5,
  WRITE_ZEROES: 1 << 6,
  MULTI_CONN: 1 << 8,
});

/** What a request asks for. */
export const Command = Object.freeze({ READ: 0, WRITE: 1, DISC: 2, FLUSH: 3, TRIM: 4, WRITE_ZEROES: 6 });
/** Flags of a request: durable before the reply; zeros that stay allocated. */
export const FLAG_FUA = 1;
export const FLAG_NO_HOLE = 2;

/** Lengths of what comes in one piece. */
export const GREETING_BYTES = 18;
export const OPTION_REPLY_BYTES = 20;
export const REQUEST_BYTES = 28;
export const REPLY_BYTES = 16;
/** More than this in a reply to an option is refused: it is text, or a few numbers. */
export const OPTION_DATA_MAX = 4096;
/** The longest name of an export. */
export const NAME_BYTES_MAX = 4096;

/** What a server without a word about sizes takes: 512 bytes at least, as far as a disk goes, and 32 MiB at most. */
const LARGEST = 32 * 2 ** 20;

/** What a server says of an export. */
export interface Export {
  /** Bytes. */
  readonly size: number;
  /** {@link Can}. */
  readonly flags: number;
  /** Offsets and lengths are multiples of this. */
  readonly smallest: number;
  /** The most bytes of a READ or WRITE. */
  readonly largest: number;
}

/** The server does not speak as it should. */
export class NbdProtocolError extends Error {}

/** The server speaks, and refuses. */
export class NbdRefusal extends Error {}

const hex = (word: number): string => `0x${word.toString(16).padStart(8, "0")}`;

function expectWords(view: DataView, at: number, [high, low]: readonly [number, number], what: string): void {
  const [a, b] = [view.getUint32(at), view.getUint32(at + 4)];
  if (a !== high || b !== low) throw new NbdProtocolError(`it sends ${hex(a)} ${hex(b)} where ${what} should be`);
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView => new DataView(buffer, byteOffset, byteLength);

function putWide(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

const wideAt = (view: DataView, at: number): number => view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);

/** Checks what the server says first; answers the client's flags. */
export function answerGreeting(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = viewOf(bytes);
  expectWords(view, 0, NBDMAGIC, "NBDMAGIC");
  expectWords(view, 8, IHAVEOPT, "IHAVEOPT (an oldstyle server, or none of NBD)");
  const flags = view.getUint16(16);
  if ((flags & FIXED_NEWSTYLE) === 0) throw new NbdProtocolError("it does not speak the fixed newstyle negotiation");
  const answer = new Uint8Array(4);
  viewOf(answer).setUint32(0, FIXED_NEWSTYLE | (flags & NO_ZEROES));
  return answer;
}

/** NBD_OPT_GO for an export, which asks for block sizes as well. */
export function encodeGo(name: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(name);
  const bytes = new Uint8Array(16 + 4 + text.length + 4);
  const view = viewOf(bytes);
  view.setUint32(0, IHAVEOPT[0]);
  view.setUint32(4, IHAVEOPT[1]);
  view.setUint32(8, OPT_GO);
  view.setUint32(12, bytes.length - 16);
  view.setUint32(16, text.length);
  bytes.set(text, 20);
  view.setUint16(20 + text.length, 1);
  view.setUint16(22 + text.length, INFO_BLOCK_SIZE);
  return bytes;
}

/** The head of a reply to NBD_OPT_GO. */
export function decodeOptionReply(bytes: Uint8Array): { type: number; length: number } {
  const view = viewOf(bytes);
  expectWords(view, 0, OPTION_REPLY, "a reply to an option");
  if (view.getUint32(8) !== OPT_GO) throw new NbdProtocolError(`it replies to option ${view.getUint32(8)}, which nobody has sent`);
  const length = view.getUint32(16);
  if (length > OPTION_DATA_MAX) throw new NbdProtocolError(`it sends a reply of ${length} bytes to an option`);
  return { type: view.getUint32(12), length };
}

/** Adds what an NBD_REP_INFO tells to what is known. Kinds that nobody asked for are left out, as the protocol has it. */
export function addInfo(known: Partial<Export>, bytes: Uint8Array): Partial<Export> {
  const view = viewOf(bytes);
  const kind = bytes.length < 2 ? -1 : view.getUint16(0);
  if (kind === INFO_EXPORT && bytes.length === 12) return { ...known, size: wideAt(view, 2), flags: view.getUint16(10) };
  if (kind === INFO_BLOCK_SIZE && bytes.length === 14) return { ...known, smallest: view.getUint32(2), largest: view.getUint32(10) };
  if (kind < 0 || kind === INFO_EXPORT || kind === INFO_BLOCK_SIZE)
    throw new NbdProtocolError(`it tells of the export with ${bytes.length} bytes, which is no such length`);
  return known;
}

/** What is known of an export when the server has said all. */
export function completeExport({ size, flags, smallest = 1, largest = LARGEST }: Partial<Export>): Export {
  if (size === undefined || flags === undefined) throw new NbdProtocolError("it does not say how large the export is");
  if (!Number.isSafeInteger(size)) throw new NbdProtocolError(`the export has ${size} bytes, which is more than a disk can have`);
  if (smallest < 1 || (smallest & (smallest - 1)) !== 0 || largest < smallest)
    throw new NbdProtocolError(`it takes requests from ${smallest} to ${largest} bytes, which is no range of blocks`);
  return { size, flags, smallest, largest };
}

const REFUSALS: Readonly<Record<number, string>> = {
  1: "it does not know NBD_OPT_GO: the server is too old",
  2: "its configuration forbids it",
  3: "it takes the name for invalid",
  4: "its platform cannot do it",
  5: "it insists on TLS, which this client does not speak",
  6: "it has no such export",
  7: "it is shutting down",
  8: "it insists on block sizes",
  9: "the name is too long for it",
};

/** What a reply means that is an error. */
export function refusal(type: number, message: Uint8Array): NbdRefusal {
  const text = new TextDecoder().decode(message).replace(/[^\x20-\x7e]+/g, " ");
  const meaning = REFUSALS[type & 0x7fff_ffff] ?? `it refuses with error ${type & 0x7fff_ffff}`;
  return new NbdRefusal(text === "" ? meaning : `${meaning}: "${text}"`);
}

/** A request, to be written at `at`. */
export interface Request {
  readonly command: number;
  readonly flags: number;
  /** What the reply repeats: up to 2^53. */
  readonly cookie: number;
  readonly offset: number;
  readonly length: number;
}

/** Writes the head of a request. */
export function encodeRequest(view: DataView, at: number, { command, flags, cookie, offset, length }: Request): void {
  view.setUint32(at, REQUEST);
  view.setUint16(at + 4, flags);
  view.setUint16(at + 6, command);
  putWide(view, at + 8, cookie);
  putWide(view, at + 16, offset);
  view.setUint32(at + 24, length);
}

/** The cookie and the error (0: none) of a simple reply. */
export function decodeReply(view: DataView): { cookie: number; error: number } {
  const magic = view.getUint32(0);
  if (magic !== SIMPLE_REPLY) throw new NbdProtocolError(`it sends ${hex(magic)} where a reply should begin`);
  return { error: view.getUint32(4), cookie: wideAt(view, 8) };
}

/** Errors of the protocol, which are Linux's; another is an EIO. */
const ERRORS: readonly number[] = [1, 5, 12, 22, 28, 75, 95];

/** The negative errno for the error of a reply. */
export const errnoOfReply = (error: number): number => (ERRORS.includes(error) ? -error : -5);
