import type { Checksum } from "./integrity.ts";

const CRC16_POLYNOMIAL = 0x8bb7; // T10 DIF
const CRC64_POLYNOMIAL = 0x9a6c9329ac4bc9b5n; // NVMe, reflected

let crc16Table: Uint16Array | undefined;
let crc64Table: Uint32Array | undefined; // low and high word of each

function tableOf16(): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? ((crc << 1) ^ CRC16_POLYNOMIAL) & 0xffff : crc << 1;
    return crc;
  });
}

function tableOf64(): Uint32Array {
  const table = new Uint32Array(512);
  for (let byte = 0; byte < 256; byte++) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ CRC64_POLYNOMIAL : crc >> 1n;
    table[byte * 2] = Number(crc & 0xffffffffn);
    table[byte * 2 + 1] = Number(crc >> 32n);
  }
  return table;
}

function crc16(data: Uint8Array): bigint {
  crc16Table ??= tableOf16();
  let crc = 0;
  for (const byte of data) crc = ((crc << 8) & 0xffff) ^ crc16Table[(crc >> 8) ^ byte]!;
  return BigInt(crc);
}

function crc64(data: Uint8Array): bigint {
  crc64Table ??= tableOf64();
  let low = 0xffffffff;
  let high = 0xffffffff;
  for (const byte of data) {
    const at = ((low ^ byte) & 0xff) * 2;
    low = ((low >>> 8) | (high << 24)) ^ crc64Table[at]!;
    high = (high >>> 8) ^ crc64Table[at + 1]!;
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}

/** The Internet checksum (RFC 1071). */
function ip(data: Uint8Array): bigint {
  let sum = 0;
  for (let at = 0; at < data.length; at += 2) sum += (data[at]! << 8) | (data[at + 1] ?? 0);
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum & 0xffff);
  return BigInt(~sum & 0xffff);
}

/**
 * The guard tag that belongs to an interval of data, as the kernel computes it: for targets that check what they store, or make up for what
 * a client has left out.
 *
 * @example
 * ```ts
 * import { guardOf } from "uring-ublk";
 * console.log(guardOf("crc16-t10dif", new TextEncoder().encode("123456789")).toString(16)); // d0db
 * ```
 */
export function guardOf(checksum: Exclude<Checksum, "none">, data: Uint8Array): bigint {
  if (checksum === "crc16-t10dif") return crc16(data);
  if (checksum === "crc64-nvme") return crc64(data);
  if (checksum === "ip") return ip(data);
  throw new TypeError(`guardOf: checksum is '${String(checksum)}'; it must be ip, crc16-t10dif or crc64-nvme`);
}
