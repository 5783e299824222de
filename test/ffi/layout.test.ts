import { describe, expect, test } from "bun:test";
import { Struct } from "uring-ublk/ffi";
import * as ublkConstants from "../../src/ublk/abi.ts";
import * as ublkStructs from "../../src/ublk/structs.ts";
import * as uringConstants from "../../src/uring/abi.ts";
import * as linuxStructs from "../../src/uring/linux-structs.ts";
import * as uringStructs from "../../src/uring/structs.ts";
import layout from "../fixtures/layout.json" with { type: "json" };

interface Golden {
  readonly size: number;
  readonly fields: Readonly<Record<string, readonly number[]>>;
}

const golden: Readonly<Record<string, Golden>> = layout.structs;
const constants: Readonly<Record<string, string>> = layout.constants;

/** The members of `struct statx` in their order, as `linux/stat.h` has them: names without "stx_", and bytes. */
const STATX = `mask 4 blksize 4 attributes 8 nlink 4 uid 4 gid 4 mode 2 spare 2 ino 8 size 8 blocks 8 attributes_mask 8
  atime 16 btime 16 ctime 16 mtime 16 rdev_major 4 rdev_minor 4 dev_major 4 dev_minor 4 mnt_id 8 dio_mem_align 4 dio_offset_align 4
  subvol 8 atomic_write_unit_min 4 atomic_write_unit_max 4 atomic_write_segments_max 4 dio_read_offset_align 4`;

function statxFields(): Record<string, number[]> {
  const words = STATX.split(/\s+/);
  const fields: Record<string, number[]> = {};
  for (let i = 0, at = 0; i < words.length; i += 2) {
    fields[`stx_${words[i]}`] = [at, Number(words[i + 1])];
    at += Number(words[i + 1]);
  }
  return fields;
}

/** Structs of other headers, which the golden table does not hold: sizes and offsets of the x86-64 ABI. */
const ELSEWHERE: Readonly<Record<string, Golden>> = {
  cmsghdr: { size: 16, fields: { cmsg_len: [0, 8], cmsg_level: [8, 4], cmsg_type: [12, 4] } },
  iovec: { size: 16, fields: { iov_base: [0, 8], iov_len: [8, 8] } },
  open_how: { size: 24, fields: { flags: [0, 8], mode: [8, 8], resolve: [16, 8] } },
  futex_waitv: { size: 24, fields: { val: [0, 8], uaddr: [8, 8], flags: [16, 4], __reserved: [20, 4] } },
  epoll_event: { size: 12, fields: { events: [0, 4], data: [4, 8] } }, // packed
  siginfo_t: { size: 128, fields: { si_signo: [0, 4], si_code: [8, 4], si_pid: [16, 4], si_uid: [20, 4], si_status: [24, 4] } },
  statx: { size: 256, fields: statxFields() },
  msghdr: {
    size: 56,
    fields: {
      msg_name: [0, 8],
      msg_namelen: [8, 4],
      msg_iov: [16, 8],
      msg_iovlen: [24, 8],
      msg_control: [32, 8],
      msg_controllen: [40, 8],
      msg_flags: [48, 4],
    },
  },
};

function structsOf(module: object): Struct<string>[] {
  return Object.values(module).filter((value): value is Struct<string> => value instanceof Struct);
}

/** What the members of `struct ublk_params` are made of. */
const MEMBERS: Readonly<Record<string, string>> = {
  basic: "ublk_param_basic",
  discard: "ublk_param_discard",
  devt: "ublk_param_devt",
  zoned: "ublk_param_zoned",
  dma: "ublk_param_dma_align",
  seg: "ublk_param_segment",
  integrity: "ublk_param_integrity",
};

/** Offset and size of a field, or of a field of a member ("basic.attrs") from the start of the whole. */
function placeOf({ fields }: Golden, name: string): readonly (number | string)[] {
  const [outer, inner] = name.split(".") as [string, string?];
  const place = fields[outer];
  if (inner === undefined) return place ?? ["is not a field"];
  const member = golden[MEMBERS[outer] ?? ""]?.fields[inner];
  return place === undefined || member === undefined ? ["is not a field"] : [place[0]! + member[0]!, member[1]!];
}

const hexadecimal = (text: string): bigint => (text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text));

const structs = [...structsOf(uringStructs), ...structsOf(linuxStructs), ...structsOf(ublkStructs)];

describe("a struct table", () => {
  test("exists for every struct the library uses", () => {
    expect(structsOf(uringStructs).length).toBeGreaterThanOrEqual(15);
    expect(structsOf(ublkStructs).length).toBeGreaterThanOrEqual(5);
  });

  for (const struct of structs) {
    test(`agrees with the kernel's header: ${struct.name}`, () => {
      const wanted = golden[struct.name] ?? ELSEWHERE[struct.name];
      expect(wanted).toBeDefined();
      expect(struct.size).toBe(wanted!.size);
      for (const [field, place] of Object.entries(struct.fields)) {
        expect({ [field]: [...place] }).toEqual({ [field]: placeOf(wanted!, field) as number[] });
      }
    });
  }
});

describe("the constants", () => {
  for (const [header, module] of [
    ["linux/io_uring.h", uringConstants],
    ["linux/ublk_cmd.h", ublkConstants],
  ] as const) {
    test(`of ${header} are the header's`, () => {
      const values = Object.entries(module).filter(([, value]) => typeof value === "number" || typeof value === "bigint") as [
        string,
        number | bigint,
      ][];
      expect(values.length).toBeGreaterThan(80);
      for (const [name, value] of values) {
        const wanted = constants[name];
        expect({ [name]: wanted }).not.toEqual({ [name]: undefined });
        expect({ [name]: BigInt(value) }).toEqual({ [name]: hexadecimal(wanted!) }); // as BigInts: no bit is rounded away
      }
    });
  }
});

describe("a Struct", () => {
  const struct = new Struct("sample", 16, { a: [0, 1], b: [2, 2], c: [4, 4], d: [8, 8], e: [0, 3] });

  test("stores and loads each width, little endian", () => {
    const view = struct.build({ a: 0xfe, b: 0xfedc, c: 0xfedcba98, d: 0xfedcba9876543210n });
    expect([...new Uint8Array(view.buffer)]).toEqual([
      0xfe, 0, 0xdc, 0xfe, 0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe,
    ]);
    expect([struct.get(view, "a"), struct.get(view, "b"), struct.get(view, "c")]).toEqual([0xfe, 0xfedc, 0xfedcba98]);
    expect(struct.getBig(view, "d")).toBe(0xfedcba9876543210n);
    expect(struct.getSigned(view, "c")).toBe(0xfedcba98 | 0);
  });

  test("takes negative numbers, and addresses in arrays of structs", () => {
    const view = struct.allocate(3);
    struct.set(view, "c", -1, 16);
    struct.set(view, "d", -1, 16);
    expect(struct.get(view, "c", 16)).toBe(0xffffffff);
    expect(struct.getBig(view, "d", 16)).toBe(2n ** 64n - 1n);
    expect(struct.get(view, "c", 0)).toBe(0);
    expect(struct.get(view, "c", 32)).toBe(0);
    struct.set(view, "d", Number.MAX_SAFE_INTEGER, 32);
    expect(struct.get(view, "d", 32)).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("refuses what is no number", () => {
    const view = struct.allocate();
    expect(() => struct.set(view, "e", 1)).toThrow(/sample\.e is 3 bytes/);
    expect(() => struct.get(view, "e")).toThrow(RangeError);
    expect(() => struct.set(view, "d", 1.5)).toThrow(RangeError);
  });
});
