import { CString, toArrayBuffer } from "bun:ffi";
import { expect } from "bun:test";
import type { Operation } from "uring-ublk";
import { RawRing, type RingShape } from "uring-ublk/uring";
import layout from "../../fixtures/layout.json" with { type: "json" };

type SqeField = keyof typeof layout.structs.io_uring_sqe.fields;
/** What an SQE must hold, by the kernel's names. Of an address that only the operation knows, what lies there. */
export type Expected = Partial<Record<SqeField, number | bigint | ((address: number) => void)>>;

/** An address of that NUL-terminated text. */
export const text = (wanted: string) => (address: number) => expect(String(new CString(address as never))).toBe(wanted);

/** An address of that memory, given as 32-bit words. */
export const words = (wanted: readonly number[]) => (address: number) =>
  expect([...new Int32Array(toArrayBuffer(address as never, 0, wanted.length * 4).slice(0))]).toEqual(wanted.map((word) => word | 0));

/** Any address but none. */
export const somewhere = (address: number): void => expect(address).toBeGreaterThan(4096);

const FIELDS = layout.structs.io_uring_sqe.fields as Record<SqeField, number[]>;

/** A field of the first SQE, found by the kernel's own table of offsets. */
export function field(sqe: DataView, name: SqeField): bigint {
  const [offset, size] = FIELDS[name] as [number, number];
  if (size === 8) return sqe.getBigUint64(offset, true);
  if (size === 4) return BigInt(sqe.getUint32(offset, true));
  return BigInt(size === 2 ? sqe.getUint16(offset, true) : sqe.getUint8(offset));
}

const BITS: Readonly<Record<number, number>> = { 1: 8, 2: 16, 4: 32, 8: 64 };

/** Compares the named fields, and that every byte besides them and user_data is zero. */
export function expectSqe(raw: RawRing, slot: number, expected: Expected): void {
  const { buffer, byteOffset } = raw.words;
  const sqe = new DataView(buffer, byteOffset, 64);
  const bytes = new Uint8Array(buffer.slice(byteOffset, byteOffset + 64));
  for (const [name, value] of Object.entries(expected) as [SqeField, Expected[SqeField] & {}][]) {
    const [offset, size] = FIELDS[name] as [number, number];
    if (typeof value === "function") value(Number(field(sqe, name)));
    else expect({ [name]: field(sqe, name) }).toEqual({ [name]: BigInt.asUintN(BITS[size]!, BigInt(value)) });
    bytes.fill(0, offset, offset + size);
  }
  expect(sqe.getInt32(32, true)).toBe(slot);
  expect(sqe.getInt32(36, true)).toBe(raw.generation(slot));
  bytes.fill(0, 32, 40);
  expect(bytes.findIndex((byte) => byte !== 0)).toBe(-1);
}

/** Encodes an operation over stale bytes and looks at the result. */
export function encoded(operation: Operation<unknown>, shape: RingShape, look: (raw: RawRing, slot: number) => void): void {
  using raw = new RawRing({ entries: 8, ...shape });
  raw.words.fill(0x55555555); // whatever was there before must not shine through
  const slot = raw.allocate(() => {});
  const { pins } = operation.encode(raw, slot);
  look(raw, slot);
  expect(Array.isArray(pins)).toBe(true); // and what they hold was there until here
}
