import { STATX_ATTR_IMMUTABLE } from "./file-constants.ts";
import { statx_struct } from "./linux-structs.ts";

/** What kind of file it is. */
export type FileType = "file" | "directory" | "symlink" | "block device" | "character device" | "fifo" | "socket" | "unknown";

/** A time of the file system, to the nanosecond. */
export class FileTime {
  constructor(
    /** Seconds since 1970, negative before. */
    readonly seconds: number,
    /** Nanoseconds after that, 0 to 999999999. */
    readonly nanoseconds: number,
  ) {}

  /** Milliseconds since 1970, with fractions; exact to about a microsecond. */
  get ms(): number {
    return this.seconds * 1000 + this.nanoseconds / 1e6;
  }

  /** As a Date: exact to the millisecond. */
  toDate(): Date {
    return new Date(this.seconds * 1000 + Math.floor(this.nanoseconds / 1e6));
  }
}

/** A device's numbers. */
export interface DeviceNumber {
  /** Which driver. */
  readonly major: number;
  /** Which of its devices. */
  readonly minor: number;
}

/** What `statx(2)` tells of a file. Fields that were not asked for, or that the file system does not have, are 0. */
export interface Stat {
  /** `STATX_*`: the fields that are filled in. */
  readonly mask: number;
  /** What kind of file. */
  readonly type: FileType;
  /** Type and permissions, as `st_mode`. */
  readonly mode: number;
  /** The permission bits alone: `mode & 0o7777`. */
  readonly permissions: number;
  /** The owner. */
  readonly uid: number;
  /** The group. */
  readonly gid: number;
  /** Hard links. */
  readonly links: number;
  /** Bytes. */
  readonly size: number;
  /** Blocks of 512 bytes that are allocated. */
  readonly blocks: number;
  /** The block size that suits I/O best. */
  readonly blockSize: number;
  /** The inode's number; rounded where it is beyond 2^53, which {@link Stat.inodeExact} is not. */
  readonly inode: number;
  /** The inode's number, all 64 bits. */
  readonly inodeExact: bigint;
  /** Last read. */
  readonly accessed: FileTime;
  /** Last change of the content. */
  readonly modified: FileTime;
  /** Last change of the inode: owner, permissions, links. */
  readonly changed: FileTime;
  /** Creation, with STATX_BTIME. */
  readonly born: FileTime;
  /** The device that the file is on. */
  readonly device: DeviceNumber;
  /** The device that the file is, for block and character devices. */
  readonly represents: DeviceNumber;
  /** `STATX_ATTR_*` that are set. */
  readonly attributes: number;
  /** `STATX_ATTR_*` that the file system knows. */
  readonly attributesKnown: number;
  /** Whether nobody may change the file (STATX_ATTR_IMMUTABLE). */
  readonly immutable: boolean;
  /** The mount's number, with STATX_MNT_ID or STATX_MNT_ID_UNIQUE. */
  readonly mountId: number;
  /** What O_DIRECT demands, with STATX_DIOALIGN (6.1) and STATX_DIO_READ_ALIGN (6.14): bytes, 0 where it cannot. */
  readonly direct: { readonly memoryAlign: number; readonly offsetAlign: number; readonly readOffsetAlign: number };
  /** Writes with RWF_ATOMIC, with STATX_WRITE_ATOMIC (6.11): the smallest and largest in bytes, and in how many parts. */
  readonly atomicWrite: { readonly min: number; readonly max: number; readonly segments: number };
  /** The subvolume's number, with STATX_SUBVOL (6.10). */
  readonly subvolume: number;
}

const TYPES: readonly FileType[] = ((): FileType[] => {
  const types: FileType[] = Array.from({ length: 16 }, () => "unknown");
  types[1] = "fifo";
  types[2] = "character device";
  types[4] = "directory";
  types[6] = "block device";
  types[8] = "file";
  types[10] = "symlink";
  types[12] = "socket";
  return types;
})();

type Field = Parameters<typeof statx_struct.get>[1];

/** Decodes a `struct statx`. */
export function decodeStatx(view: DataView): Stat {
  const get = (name: Field): number => statx_struct.get(view, name);
  const mode = get("stx_mode");
  const attributes = get("stx_attributes");
  return {
    mask: get("stx_mask"),
    type: TYPES[mode >> 12]!,
    mode,
    permissions: mode & 0o7777,
    uid: get("stx_uid"),
    gid: get("stx_gid"),
    links: get("stx_nlink"),
    size: get("stx_size"),
    blocks: get("stx_blocks"),
    blockSize: get("stx_blksize"),
    inode: get("stx_ino"),
    inodeExact: statx_struct.getBig(view, "stx_ino"),
    accessed: timeAt(view, "stx_atime"),
    modified: timeAt(view, "stx_mtime"),
    changed: timeAt(view, "stx_ctime"),
    born: timeAt(view, "stx_btime"),
    device: { major: get("stx_dev_major"), minor: get("stx_dev_minor") },
    represents: { major: get("stx_rdev_major"), minor: get("stx_rdev_minor") },
    attributes,
    attributesKnown: get("stx_attributes_mask"),
    immutable: (attributes & STATX_ATTR_IMMUTABLE) !== 0,
    mountId: get("stx_mnt_id"),
    direct: {
      memoryAlign: get("stx_dio_mem_align"),
      offsetAlign: get("stx_dio_offset_align"),
      readOffsetAlign: get("stx_dio_read_offset_align"),
    },
    atomicWrite: {
      min: get("stx_atomic_write_unit_min"),
      max: get("stx_atomic_write_unit_max"),
      segments: get("stx_atomic_write_segments_max"),
    },
    subvolume: get("stx_subvol"),
  };
}

// struct statx_timestamp: signed seconds, nanoseconds.
function timeAt(view: DataView, name: Field): FileTime {
  const [at] = statx_struct.fields[name];
  return new FileTime(Number(view.getBigInt64(at, true)), view.getUint32(at + 8, true));
}
