import { checkBoolean, checkInteger, checkKnown, show } from "../../uring/options.ts";
import { NAME_BYTES_MAX } from "./protocol.ts";

/** Options of the disk over TCP. */
export interface NbdOptions {
  /** The server: a name, or an IP address. */
  host: string;
  /** Its port; default 10809, which is NBD's. */
  port?: number;
  /** The name of the export; default the server's own choice, which has the empty name. */
  export?: string;
  /** Clients may only read. Default: only if the server says so. */
  readOnly?: boolean;
  /**
   * For how long the server may leave a request, or the beginning of a connection, without an answer, in milliseconds; default 30000. The
   * connection counts as lost then. Requests that wait for a new one wait no longer than this.
   */
  timeoutMs?: number;
}

/** The options, checked. */
export interface CheckedNbd {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly readOnly: boolean | undefined;
  readonly timeoutMs: number;
}

const TARGET = "nbd";
const PORT = 10809;
const TIMEOUT_MS = 30_000;
const TIMEOUT_MAX = 24 * 3600 * 1000;

function checkName(name: unknown): string {
  if (typeof name !== "string") throw new TypeError(`${TARGET}: export is ${show(name)}; it must be text`);
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > NAME_BYTES_MAX) throw new RangeError(`${TARGET}: export has ${bytes} bytes; a name has ${NAME_BYTES_MAX} at most`);
  if (name.includes("\0")) throw new TypeError(`${TARGET}: export is ${show(name)}; a name has no NUL in it`);
  return name;
}

/** Checks the options before anything is connected. */
export function checkNbd(options: NbdOptions): CheckedNbd {
  if (typeof options !== "object" || options === null)
    throw new TypeError('nbd: host is missing; give options such as { host: "192.0.2.1" }');
  checkKnown(TARGET, options, ["host", "port", "export", "readOnly", "timeoutMs"]);
  const { host, port = PORT, readOnly, timeoutMs = TIMEOUT_MS } = options;
  if (typeof host !== "string" || host === "")
    throw new TypeError(`${TARGET}: host is ${show(host)}; it must be the name or the IP address of a server`);
  checkInteger(TARGET, "port", port, 1, 65535);
  if (readOnly !== undefined) checkBoolean(TARGET, "readOnly", readOnly);
  checkInteger(TARGET, "timeoutMs", timeoutMs, 1, TIMEOUT_MAX, "a peer that says nothing must not hold a disk for ever");
  return { host, port, name: checkName(options.export ?? ""), readOnly, timeoutMs };
}
