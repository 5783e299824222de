import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Opened } from "../../ublk/index.ts";
import { Ring, type SocketAddress } from "../../uring/index.ts";
import { dial, hangUp, type Peer } from "./dial.ts";
import { serverError } from "./errors.ts";
import type { LinkSpec } from "./link.ts";
import { type CheckedNbd, checkNbd, type NbdOptions } from "./options.ts";
import { Can, type Export } from "./protocol.ts";
import { opsOf } from "./requests.ts";

const SECTOR = 512;
const BLOCK_MAX = 4096;

/** What the serving threads share. */
export interface NbdShared extends LinkSpec {
  readonly readOnly: boolean;
}

const labelOf = ({ host, port, name }: CheckedNbd): string => `${host.includes(":") ? `[${host}]` : host}:${port}${name && `/${name}`}`;

async function addressesOf(host: string, port: number): Promise<SocketAddress[]> {
  const found = isIP(host) === 0 ? await lookup(host, { all: true }) : [{ address: host, family: isIP(host) }];
  return found.map(({ address, family }) => ({ family: family === 6 ? "ipv6" : "ipv4", address, port }));
}

/** Tries the addresses of a host in turn; answers the one where the export is, and what it is. */
async function find({ host, port, name, timeoutMs }: CheckedNbd): Promise<{ peer: Peer; found: Export }> {
  await using ring = await Ring.open({ entries: 8 });
  let trouble: unknown = new Error("its name has no address");
  for (const address of await addressesOf(host, port)) {
    const peer: Peer = { address, name, timeoutMs };
    try {
      const dialled = await dial(ring, peer);
      hangUp(dialled.fd);
      return { peer, found: dialled.export };
    } catch (error) {
      trouble = error;
    }
  }
  throw trouble;
}

/** Asks the server for the export, and makes a disk's geometry of what it says. */
export async function openNbd(options: NbdOptions): Promise<Opened<NbdShared>> {
  const checked = checkNbd(options);
  const label = labelOf(checked);
  try {
    const { peer, found } = await find(checked);
    const readOnly = readOnlyOf(checked, found);
    return { ...geometryOf(found, readOnly), shared: { ...peer, label, export: found, readOnly } };
  } catch (error) {
    throw serverError(label, error);
  }
}

function readOnlyOf({ readOnly }: CheckedNbd, { flags }: Export): boolean {
  const there = (flags & Can.READ_ONLY) !== 0;
  if (there && readOnly === false) throw new Error("the export is read-only, and readOnly is false; leave it out");
  return there || readOnly === true;
}

function geometryOf({ size, flags, smallest }: Export, readOnly: boolean): Omit<Opened<NbdShared>, "shared"> {
  const blockSize = Math.max(smallest, SECTOR);
  if (blockSize > BLOCK_MAX) throw new Error(`it takes blocks of ${blockSize} bytes at least, and a disk has ${BLOCK_MAX} at most`);
  if (size < blockSize) throw new Error(`the export has ${size} bytes, less than one block of ${blockSize}`);
  return {
    size: size - (size % blockSize),
    blockSize,
    readOnly,
    zeroCopy: true,
    members: 2, // room in the queue's ring: a zero-copy send has two completions
    fua: opsOf(flags, readOnly).flush && (flags & Can.FUA) !== 0,
    rotational: (flags & Can.ROTATIONAL) !== 0,
  };
}
