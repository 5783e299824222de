// usual kernels: none
// file timeout: 600 s
/** Metadata beside the data: the kernel makes and checks it, and the disk keeps it. */
import { expect } from "bun:test";
import { join } from "node:path";
import { type Checksum, type DataMode, guardOf, Op, serve } from "uring-ublk";
import { type IntegrityOptions, integrity } from "uring-ublk/targets";
import type { RequestErrorEvent } from "uring-ublk/ublk";
import { failure, sh, ublkNodes, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, isFullRun, kernelAtLeast, requires } from "../support/requires.ts";

function testFor(usual: boolean) {
  if (!haveUblk()) return requires(false, "needs a kernel with ublk");
  if (!kernelAtLeast("7.0")) return requires(false, "needs ublk with INTEGRITY (Linux 7.0)");
  return requires(usual || isFullRun(), "one of many like it: runs in test:full");
}

const LIMIT = 180_000; // an emulated machine, and neighbours
const MIB = 2 ** 20;
const EILSEQ = "Invalid or incomplete multibyte or wide character";

const read = (block: number): string => `dd if="$1" of=/dev/null bs=512 skip=${block} count=1 iflag=direct`;

/** A disk in memory that keeps what clients write, tuples and all, and looks whether they are what they should be. */
function keeping(checksum: Checksum, metadataBytes: number, offset: number) {
  const data = new Uint8Array(MIB);
  const metadata = new Uint8Array((data.length / 512) * metadataBytes).fill(0xff);
  const seen = { tuples: 0, wrong: 0, without: 0 };
  const target = {
    size: data.length,
    integrity: { checksum, metadataBytes, offset },
    read(buffer: Uint8Array, at: number, { metadata: kept }: { metadata?: { bytes: Uint8Array } | undefined }) {
      buffer.set(data.subarray(at, at + buffer.length));
      const from = (at / 512) * metadataBytes;
      kept?.bytes.set(metadata.subarray(from, from + kept.bytes.length));
    },
  };
  return { data, metadata, seen, target };
}

const KINDS: readonly (readonly [Checksum, number, number])[] = [
  ["crc16-t10dif", 8, 0],
  ["ip", 8, 0],
  ["crc64-nvme", 16, 0],
  ["crc16-t10dif", 32, 24],
  ["crc64-nvme", 64, 8],
];

for (const [checksum, metadataBytes, offset] of KINDS) {
  testFor(checksum === "crc64-nvme" && offset === 0)(
    `every block comes with the tuple of its data and place, and a wrong one fails at the client: ${checksum}, ${metadataBytes} bytes, at ${offset}`,
    async () => {
      await using directory = await workDirectory("/tmp");
      const { data, metadata, seen, target } = keeping(checksum, metadataBytes, offset);
      const errors: RequestErrorEvent[] = [];
      await using disk = await serve({
        ...target,
        write(buffer, at, context) {
          data.set(buffer, at);
          const from = context.metadata;
          if (from === undefined) {
            seen.without++;
            return;
          }
          metadata.set(from.bytes, (at / 512) * metadataBytes);
          for (let i = 0; i < from.intervals; i++) {
            const { guard, refTag } = from.tuple(i);
            seen.tuples++;
            const right = guardOf(checksum as "ip", buffer.subarray(i * 512, i * 512 + 512));
            if (guard !== right || refTag !== at / 512 + i) seen.wrong++;
          }
        },
      });
      disk.on("requesterror", (error) => errors.push(error));
      expect(disk.mode).toBe("user-copy");
      await sh(
        `head -c 300k /dev/urandom > "$2/data"; dd if="$2/data" of="$1" bs=20k oflag=direct conv=notrunc status=none
         dd if="$1" bs=100k count=3 iflag=direct status=none | cmp - "$2/data"`,
        disk.path,
        directory.path,
      );
      expect(seen).toEqual({ tuples: 600, wrong: 0, without: 0 });
      metadata[10 * metadataBytes + offset]! ^= 1; // a guard
      data[20 * 512]! ^= 1; // what it stands for
      metadata.copyWithin(30 * metadataBytes, 31 * metadataBytes, 32 * metadataBytes); // the block of another place
      data.copyWithin(30 * 512, 31 * 512, 32 * 512);
      for (const block of [10, 20, 30]) expect(await failure(read(block), disk.path)).toContain(EILSEQ);
      for (const block of [9, 11, 19, 21, 29, 31, 1000]) await sh(read(block), disk.path);
      await sh(`dd if=/dev/zero of="$1" bs=512 seek=10 count=1 oflag=direct status=none; ${read(10)}`, disk.path);
      expect(errors).toEqual([]);
    },
    LIMIT,
  );
}

testFor(false)(
  "metadata without protection information is bytes, and a READ's are zeros until they are set",
  async () => {
    const sizes: number[] = [];
    const problems: string[] = [];
    await using disk = await serve({
      size: MIB,
      integrity: { checksum: "none", metadataBytes: 24 },
      handle(request) {
        const { metadata, op } = request;
        if (op === Op.READ) request.bytes.fill(1);
        if (metadata !== undefined) {
          if (!metadata.bytes.every((byte) => byte === 0)) problems.push("not zeros");
          sizes.push(metadata.bytes.length / (request.length / 512), metadata.intervals * 512 - request.length);
          metadata.bytes.fill(7);
          try {
            metadata.tuple(0);
          } catch (error) {
            problems.push((error as Error).message);
          }
        }
        request.complete();
      },
    });
    await sh(`dd if="$1" of=/dev/null bs=8k count=4 iflag=direct; dd if="$1" of=/dev/null bs=4k count=4 iflag=direct`, disk.path);
    expect([...new Set(sizes)].sort((a, b) => a - b)).toEqual([0, 24]);
    expect([...new Set(problems)]).toEqual(["there are no tuples with checksum 'none': use bytes"]);
  },
  LIMIT,
);

testFor(false)(
  "a READ whose tuples are not set fails at the client, and tells nothing of the kernel's memory",
  async () => {
    await using disk = await serve({
      size: MIB,
      integrity: { checksum: "crc16-t10dif" },
      read: (buffer) => void buffer.fill(1),
      write() {},
    });
    expect(await failure(read(5), disk.path)).toContain(EILSEQ);
  },
  LIMIT,
);

const ROWS: readonly (readonly [IntegrityOptions["checksum"], "calling thread" | "Workers", DataMode | undefined, boolean])[] = [
  ["crc16-t10dif", "calling thread", undefined, false],
  ["crc64-nvme", "Workers", undefined, false],
  ["ip", "calling thread", "user-copy", false],
  ["crc64-nvme", "Workers", "zero-copy", true],
];

for (const [checksum, where, mode, batch] of ROWS) {
  testFor(false)(
    `a file and its metadata: what was changed in one of them fails, and a restart keeps both: ${checksum}, ${where}, ${mode ?? "the default"}, ${batch}`,
    async () => {
      await using directory = await workDirectory();
      const path = join(directory.path, "image");
      const options: IntegrityOptions = { path, create: "16 MiB", ...(checksum === undefined ? {} : { checksum }) };
      const start = () => {
        const how = { batch, ...(mode === undefined ? {} : { mode }) };
        return where === "Workers" ? serve(integrity.url, { ...how, queues: 2, options }) : serve(integrity(options), how);
      };
      {
        await using disk = await start();
        await sh(
          `head -c 4M /dev/urandom > "$2/data"; dd if="$2/data" of="$1" bs=64k oflag=direct conv=notrunc,fsync status=none
           dd if="$1" bs=256k count=16 iflag=direct status=none | cmp - "$2/data"
           dd if="$1" bs=1M skip=8 count=1 iflag=direct status=none | cmp -n 1048576 - /dev/zero
           blkdiscard -o 1M -l 1M "$1"; dd if="$1" bs=1M skip=1 count=1 iflag=direct status=none | cmp -n 1048576 - /dev/zero`,
          disk.path,
          directory.path,
        );
      }
      await sh(`printf x | dd of="$1" bs=1 seek=$((5 * 4096 + 7)) conv=notrunc status=none`, path);
      await sh(
        `printf x | dd of="$1" bs=1 seek=$((9 * $2)) conv=notrunc status=none`,
        `${path}.metadata`,
        checksum === "crc64-nvme" ? 16 : 8,
      );
      await using disk = await start();
      const block = (at: number): string => `dd if="$1" of=/dev/null bs=4k skip=${at} count=1 iflag=direct`;
      for (const at of [5, 9]) expect(await failure(block(at), disk.path)).toContain(EILSEQ);
      for (const at of [4, 6, 8, 10]) await sh(block(at), disk.path);
      await sh(
        `dd if="$2/data" of="$1" bs=4k skip=5 seek=5 count=5 oflag=direct conv=notrunc status=none
         dd if="$1" bs=256k count=4 iflag=direct status=none | cmp -n 1048576 - "$2/data"`,
        disk.path,
        directory.path,
      );
      await disk.stop();
      expect(ublkNodes()).toEqual([]);
    },
    LIMIT,
  );
}

testFor(false)(
  "what cannot be is refused by name, before there is a device",
  async () => {
    const target = { size: MIB, blockSize: 4096, read() {}, write() {} };
    const problem = (what: unknown, options: object = {}): Promise<string> =>
      serve(what as never, options).then(
        (disk) => disk.stop().then(() => "served"),
        ({ message }: Error) => message,
      );
    const cases: readonly (readonly [object, object, string])[] = [
      [{ checksum: "md5" }, {}, "target: integrity: checksum"],
      [{ checksum: "none" }, {}, "metadataBytes is missing; with checksum 'none'"],
      [{ checksum: "none", metadataBytes: 8, refTag: true }, {}, "refTag is true, and checksum 'none' has no tuples"],
      [{ checksum: "ip", metadataBytes: 8, offset: 1 }, {}, "metadataBytes is 8; a tuple of 8 bytes at offset 1 does not fit"],
      [{ checksum: "ip", interval: 8192 }, {}, "interval is 8192 bytes; it must be a power of two from 512 to the block size (4096)"],
      [{ checksum: "ip", tagSize: 2 }, {}, "tagSize"],
      [{ checksum: "ip" }, { mode: "copy" }, "mode is 'copy', but the disk has metadata, which this process copies (USER_COPY)"],
    ];
    for (const [given, options, message] of cases) expect(await problem({ ...target, integrity: given }, options)).toContain(message);
    expect(await problem(integrity({ path: "/tmp/x", metadataPath: "/tmp/x" }))).toContain("metadataPath is '/tmp/x' as path is");
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);
