import { show } from "./options.ts";

const IPV6_BYTES = 16;
const GROUPS = 8;

const wrong = (address: unknown, example: string): never => {
  throw new RangeError(`address: ${show(address)} is no IP address such as ${example}; names are resolved elsewhere (dns.lookup)`);
};

function quad(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  return numbers.every((number) => number <= 255) ? numbers : undefined;
}

/** The four bytes of a dotted IPv4 address. */
export function parseIpv4(address: unknown): readonly number[] {
  return (typeof address === "string" ? quad(address) : undefined) ?? wrong(address, "'127.0.0.1'");
}

// The 16-bit groups of one side of "::"; a dotted quad may stand at the very end.
function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1 && part.includes(".") ? quad(part) : undefined;
    if (last !== undefined) groups.push(last[0]! * 256 + last[1]!, last[2]! * 256 + last[3]!);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function ipv6Groups(text: string): number[] | undefined {
  const sides = text.split("::");
  if (sides.length > 2) return undefined;
  const [head, tail] = [groupsOf(sides[0]!), sides.length === 2 ? groupsOf(sides[1]!) : []];
  if (head === undefined || tail === undefined) return undefined;
  // A quad may only end the address, not the part before "::".
  if (sides.length === 2 && sides[0]!.includes(".")) return undefined;
  const missing = GROUPS - head.length - tail.length;
  if (sides.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** The 16 bytes of an IPv6 address. */
export function parseIpv6(address: unknown): Uint8Array {
  if (typeof address === "string" && address.includes("%")) {
    throw new RangeError(`address: ${show(address)} names a zone; give the interface's index as scopeId`);
  }
  const groups = (typeof address === "string" ? ipv6Groups(address) : undefined) ?? wrong(address, "'::1'");
  const bytes = new Uint8Array(IPV6_BYTES);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

// Where the longest run of at least two zero groups stands; the first of equals.
function longestZeros(groups: readonly number[]): { at: number; length: number } {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < GROUPS; at++) {
    let length = 0;
    while (at + length < GROUPS && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  return best;
}

/** The text of an IPv6 address, as RFC 5952 wants it: lower case, the longest run of zeros shortened. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: GROUPS }, (_, i) => bytes[2 * i]! * 256 + bytes[2 * i + 1]!);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return `::ffff:${bytes.subarray(12).join(".")}`;
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  const { at, length } = longestZeros(groups);
  return at < 0 ? text(groups) : `${text(groups.slice(0, at))}::${text(groups.slice(at + length))}`;
}
