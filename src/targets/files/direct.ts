import { Arena, F_GETFL, F_SETFL, O_DIRECT, PAGE_SIZE, SystemError, sys } from "../../ffi/index.ts";

/** How a file will be read and written. */
export interface DirectChoice {
  readonly direct: boolean;
  /** Why the page cache is used. */
  readonly buffered: string | undefined;
  readonly blockSize: number;
  /** What memory must be aligned to, in bytes. */
  readonly memoryAlignment: number;
}

/** What is asked for. Without a block size the choice is free, from 512 on. */
export interface DirectWish {
  /** The target, as errors name it. */
  readonly target: string;
  readonly path: string;
  readonly direct: boolean | "auto";
  readonly blockSize: number | undefined;
  /** A request reaches the file in parts that begin at any block of the request. */
  readonly scattered: boolean;
}

const SECTOR = 512;
const LARGEST = 4096;
const EINVAL = -22;

/** Switches O_DIRECT on where it is wanted and works. */
export function chooseDirect(fd: number, wish: DirectWish): DirectChoice {
  const blockSize = wish.blockSize ?? SECTOR;
  const fallback = (why: string): DirectChoice => {
    if (wish.direct === true) {
      throw new SystemError({
        syscall: `${wish.target}: direct`,
        subject: "true",
        errno: EINVAL,
        hint: `'${wish.path}': ${why}; use direct: "auto" or false`,
      });
    }
    return { direct: false, buffered: why, blockSize, memoryAlignment: 1 };
  };
  if (wish.direct === false) return fallback("direct is false");
  const flags = sys.fcntl(fd, F_GETFL);
  try {
    sys.fcntl(fd, F_SETFL, flags | O_DIRECT);
  } catch {
    return fallback("its file system has no O_DIRECT");
  }
  const choice = tryDirect(fd, wish, blockSize);
  if (typeof choice !== "string") return choice;
  sys.fcntl(fd, F_SETFL, flags);
  return fallback(choice);
}

// Answers the choice, or why it cannot be.
function tryDirect(fd: number, wish: DirectWish, standard: number): DirectChoice | string {
  const alignment = sys.directAlignment(fd) ?? probe(fd);
  if (alignment === undefined || alignment.offset === 0) return "its file system cannot do O_DIRECT on this file";
  // Only who insists on O_DIRECT gets larger blocks for it: an image made for 512 bytes would read differently.
  const blockSize = wish.direct === true && wish.blockSize === undefined ? Math.max(standard, alignment.offset) : standard;
  if (alignment.offset > blockSize) return `O_DIRECT needs blocks of ${alignment.offset} bytes there, and the disk's are ${blockSize}`;
  if (alignment.memory > (wish.scattered ? blockSize : LARGEST) || blockSize > LARGEST)
    return `O_DIRECT needs an alignment of ${Math.max(alignment.memory, blockSize)} bytes there`;
  if (!reads(fd, blockSize)) return `a trial read of ${blockSize} bytes with O_DIRECT failed`;
  return { direct: true, buffered: undefined, blockSize, memoryAlignment: Math.max(1, alignment.memory) };
}

/** The smallest aligned read that works, where the kernel or the file system does not tell. */
function probe(fd: number): { memory: number; offset: number } | undefined {
  for (let size = SECTOR; size <= LARGEST; size *= 2) if (reads(fd, size)) return { memory: size, offset: size };
  return undefined;
}

function reads(fd: number, size: number): boolean {
  using arena = Arena.allocate(PAGE_SIZE);
  try {
    sys.pread(fd, arena.bytes(0, size), 0);
    return true;
  } catch {
    return false;
  }
}
