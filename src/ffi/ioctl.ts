import { sys } from "./syscalls.ts";

const NONE = 0;
const WRITE = 1;
const READ = 2;

function encode(direction: number, type: number, number: number, size: number): number {
  if (!Number.isInteger(type) || type < 0 || type > 0xff) throw new RangeError(`ioctl type is ${type}; it must be 0..255`);
  if (!Number.isInteger(number) || number < 0 || number > 0xff) throw new RangeError(`ioctl number is ${number}; it must be 0..255`);
  if (!Number.isInteger(size) || size < 0 || size > 0x3fff) throw new RangeError(`ioctl size is ${size}; it must be 0..16383 bytes`);
  return ((direction << 30) | (size << 16) | (type << 8) | number) >>> 0;
}

/** `_IO(type, nr)`: a request without data. */
export const io = (type: number, number: number): number => encode(NONE, type, number, 0);
/** `_IOR(type, nr, size)`: the kernel writes `size` bytes for the caller to read. */
export const ior = (type: number, number: number, size: number): number => encode(READ, type, number, size);
/** `_IOW(type, nr, size)`: the caller passes `size` bytes. */
export const iow = (type: number, number: number, size: number): number => encode(WRITE, type, number, size);
/** `_IOWR(type, nr, size)`: both ways. */
export const iowr = (type: number, number: number, size: number): number => encode(READ | WRITE, type, number, size);

/** `linux/fs.h`: the block device requests this library uses. */
export const BLKROGET = io(0x12, 94);
export const BLKRRPART = io(0x12, 95);
export const BLKGETSIZE64 = ior(0x12, 114, 8);
export const BLKSSZGET = io(0x12, 104);
export const BLKIOMIN = io(0x12, 120);
export const BLKIOOPT = io(0x12, 121);
export const BLKPBSZGET = io(0x12, 123);
export const BLKDISCARD = io(0x12, 119);
export const BLKZEROOUT = io(0x12, 127);
export const BLKFLSBUF = io(0x12, 97);

function u32(fd: number, request: number): number {
  const word = new Uint32Array(new ArrayBuffer(4));
  sys.ioctl(fd, request, word);
  return word[0]!;
}

/** A range as BLKDISCARD and BLKZEROOUT take it: two u64, in bytes. */
function byteRange(offset: number, length: number): BigUint64Array<ArrayBuffer> {
  return BigUint64Array.of(BigInt(offset), BigInt(length)) as BigUint64Array<ArrayBuffer>;
}

/**
 * Requests to a real block device, by file descriptor. Sizes and offsets are bytes.
 *
 * Each is the `ioctl(2)` in its name and throws a SystemError (ENOTTY: not a block device).
 */
export const block = {
  /** BLKGETSIZE64: the device's size in bytes. */
  size(fd: number): number {
    const size = new BigUint64Array(1);
    sys.ioctl(fd, BLKGETSIZE64, size);
    return Number(size[0]);
  },
  /** BLKSSZGET: bytes in a logical block, the smallest unit of I/O. */
  logicalBlockSize: (fd: number): number => u32(fd, BLKSSZGET),
  /** BLKPBSZGET: bytes in a physical block. */
  physicalBlockSize: (fd: number): number => u32(fd, BLKPBSZGET),
  /** BLKROGET: whether the device refuses writes. */
  readOnly: (fd: number): boolean => u32(fd, BLKROGET) !== 0,
  /** BLKDISCARD: tells the device that a range holds nothing. */
  discard(fd: number, offset: number, length: number): void {
    sys.ioctl(fd, BLKDISCARD, byteRange(offset, length));
  },
  /** BLKFLSBUF: writes back what is dirty of the device, and of the file system on it, and waits for that; then forgets what is cached. */
  flush(fd: number): void {
    sys.ioctl(fd, BLKFLSBUF, 0);
  },
  /** BLKZEROOUT: makes a range read as zeros; the blocks stay allocated. */
  zeroOut(fd: number, offset: number, length: number): void {
    sys.ioctl(fd, BLKZEROOUT, byteRange(offset, length));
  },
} as const;
