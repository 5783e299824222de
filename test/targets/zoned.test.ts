// usual kernels: the newest
// file timeout: 900 s
/** Zoned disks: what the kernel's clients make of them, and what becomes of zones when something goes wrong. */
import { expect } from "bun:test";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DataMode, recover, serve, type UblkDevice, type Zone } from "uring-ublk";
import { type ZonedOptions, zoned } from "uring-ublk/targets";
import { failure, sh, treeSum, ublkNodes, workDirectory } from "../support/disk-tools.ts";
import { haveUblk, inVm, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";

const t = requires(haveUblk(), "needs a kernel with ublk");
const full = ublkTest(false);
const LIMIT = 180_000; // an emulated machine, and neighbours
const MIB = 2 ** 20;
const SECTORS = 2048; // in a MiB

type Where = "calling thread" | "Workers";
interface How {
  readonly where?: Where;
  readonly mode?: DataMode;
  readonly batch?: boolean;
}

function served(options: ZonedOptions, { where = "calling thread", mode, batch = false }: How = {}): Promise<UblkDevice> {
  const chosen = { ...(mode === undefined ? {} : { mode }), batch };
  return where === "Workers" ? serve(zoned.url, { ...chosen, queues: 2, options }) : serve(zoned(options), chosen);
}

/** Conditions and write pointers of a disk's zones, in MiB from the start of each, as blkzone tells them. */
async function zonesOf(disk: UblkDevice, count = 4): Promise<string[]> {
  const report = await sh(`blkzone report -c $2 "$1"`, disk.path, count);
  return report.split("\n").map((line) => {
    const [, wp, condition] = /wptr 0x([0-9a-f]+) .*zcond: *\d+\((..)\)/.exec(line) ?? [];
    return condition === "nw" ? "nw" : `${condition} ${Number.parseInt(wp!, 16) / SECTORS}`;
  });
}

/** Writes random bytes at a place, in MiB; answers their file. */
async function fill(disk: UblkDevice, directory: string, at: number, mib: number): Promise<string> {
  const path = join(directory, `data-${at}`);
  await sh(
    `head -c $3M /dev/urandom > "$2"; dd if="$2" of="$1" bs=256k seek=$4 oflag=direct conv=notrunc,fsync status=none`,
    disk.path,
    path,
    mib,
    at * 4,
  );
  return path;
}

const same = (disk: UblkDevice, path: string, at: number): Promise<string> =>
  sh(`cmp "$2" <(dd if="$1" bs=1M skip=$3 count=$(($(stat -c %s "$2") / 1048576)) iflag=direct status=none)`, disk.path, path, at);

const zeros = (disk: UblkDevice, at: number, mib: number): Promise<string> =>
  sh(`dd if="$1" bs=1M skip=$2 count=$3 iflag=direct status=none | cmp -n $(($3 * 1048576)) - /dev/zero`, disk.path, at, mib);

t(
  "zones are written from their start, and opened, closed, finished and emptied",
  async () => {
    await using directory = await workDirectory("/tmp");
    await using disk = await served({ size: 32 * MIB, zoneSize: 4 * MIB, conventional: 1 });
    const queue = `/sys/block/${disk.path.slice(5)}/queue`;
    expect(await sh(`cat $1/zoned $1/nr_zones $1/chunk_sectors`, queue)).toBe("host-managed\n8\n8192");
    const data = await fill(disk, directory.path, 4, 3);
    expect(await zonesOf(disk)).toEqual(["nw", "oi 3", "em 0", "em 0"]);
    await same(disk, data, 4);
    expect(await failure(`dd if=/dev/zero of="$1" bs=1M count=1 seek=5 oflag=direct`, disk.path)).toContain("Input/output error");
    await sh(`blkzone open -o 16384 -c 1 "$1"; blkzone close -o 8192 -c 1 "$1"; blkzone finish -o 24576 -c 1 "$1"`, disk.path);
    expect(await zonesOf(disk)).toEqual(["nw", "cl 3", "oe 0", "fu 4"]);
    await sh(`blkzone reset -o 8192 -c 1 "$1"`, disk.path);
    expect(await zonesOf(disk)).toEqual(["nw", "em 0", "oe 0", "fu 4"]);
    await zeros(disk, 4, 4);
    const anywhere = await fill(disk, directory.path, 1, 2);
    await same(disk, anywhere, 1);
    const again = await fill(disk, directory.path, 4, 4);
    await same(disk, again, 4);
    expect(await zonesOf(disk)).toEqual(["nw", "fu 4", "oe 0", "fu 4"]);
    await disk.stop();
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);

full(
  "limits of open and active zones are the client's errors, and a zone that a write has opened makes room",
  async () => {
    await using disk = await served({ size: 32 * MIB, zoneSize: 4 * MIB, maxOpen: 2, maxActive: 3 });
    const write = (zone: number): string => `dd if=/dev/zero of=${disk.path} bs=64k count=1 seek=${zone * 64} oflag=direct status=none`;
    await sh(`${write(0)}; ${write(1)}; ${write(2)}`);
    expect(await zonesOf(disk, 3)).toEqual(["cl 0.0625", "oi 0.0625", "oi 0.0625"]);
    expect(await failure(write(3))).toContain("Value too large"); // EOVERFLOW: a fourth active zone
    await sh(`blkzone open -o 0 -c 1 ${disk.path}; blkzone open -o 8192 -c 1 ${disk.path}`);
    expect(await zonesOf(disk, 3)).toEqual(["oe 0.0625", "oe 0.0625", "cl 0.0625"]);
    expect(await failure(`dd if=/dev/zero of=${disk.path} bs=64k count=1 seek=129 oflag=direct`)).toContain("Too many references");
    // After a write that has failed the kernel lets none to the zone before somebody has asked where its write pointer is.
    await sh(`blkzone finish -o 0 -c 1 ${disk.path}; blkzone report ${disk.path}; ${write(3)}`);
    expect(await zonesOf(disk, 4)).toEqual(["fu 4", "oe 0.0625", "cl 0.0625", "oi 0.0625"]);
  },
  LIMIT,
);

full(
  "a zone's capacity may be less than its size, and what a reset empties is given back",
  async () => {
    await using directory = await workDirectory();
    const path = join(directory.path, "image");
    await using disk = await served({ path, size: 32 * MIB, zoneSize: 4 * MIB, zoneCapacity: 3 * MIB });
    const data = await fill(disk, directory.path, 4, 3);
    expect(await zonesOf(disk, 2)).toEqual(["em 0", "fu 3"]);
    expect(await sh(`blkzone capacity "$1"`, disk.path)).toBe("0x00000c000"); // 8 zones of 3 MiB
    await same(disk, data, 4);
    expect(Number(await sh(`stat -c %b "$1"`, path))).toBeGreaterThanOrEqual(3 * SECTORS);
    await sh(`blkzone reset "$1"`, disk.path);
    expect(Number(await sh(`stat -c %b "$1"`, path))).toBe(0);
    await zeros(disk, 4, 4);
  },
  LIMIT,
);

const ROWS: readonly How[] = [
  { where: "calling thread" },
  { where: "Workers" },
  { where: "calling thread", mode: "user-copy" },
  { where: "Workers", mode: "user-copy" },
  { where: "calling thread", mode: "zero-copy" },
  { where: "Workers", batch: true },
  { where: "calling thread", batch: true, mode: "user-copy" },
];
const LENDS = kernelAtLeast("6.16");
const named = ({ where, mode, batch }: How): string => `${where}, ${mode ?? "the default"}${batch ? ", batched" : ""}`;

function testFor({ mode, batch }: How): typeof full {
  if (batch && !kernelAtLeast("7.0")) return requires(false, "needs ublk with BATCH_IO (Linux 7.0)");
  if (mode === "zero-copy" && !LENDS) return requires(false, "needs ublk with zero copy (Linux 6.15)");
  return full;
}

for (const how of ROWS) {
  testFor(how)(
    `fio verifies what it has written to zones: ${named(how)}`,
    async () => {
      await using directory = await workDirectory();
      const place = how.where === "Workers" ? { path: join(directory.path, "image") } : {};
      await using disk = await served({ ...place, size: 64 * MIB, zoneSize: 2 * MIB, conventional: 2, maxOpen: 6, maxActive: 8 }, how);
      await sh(
        `fio --name=zones --filename="$1" --zonemode=zbd --rw=randwrite --bs=32k --offset=4m --size=6m --numjobs=2 --offset_increment=30m --thread \\
           --ioengine=libaio --direct=1 --iodepth=8 --max_open_zones=2 --verify=crc32c --do_verify=1 --verify_fatal=1 --group_reporting`,
        disk.path,
      );
      await disk.stop();
      expect(ublkNodes()).toEqual([]);
    },
    LIMIT,
  );

  const btrfs = inVm() ? testFor(how) : requires(false, "mounts: only in the VM");
  btrfs(
    `btrfs lives on zones, and finds every byte again: ${named(how)}`,
    async () => {
      await using directory = await workDirectory("/tmp");
      await using images = await workDirectory();
      const place = how.where === "Workers" ? { path: join(images.path, "image") } : {};
      await using disk = await served({ ...place, size: 256 * MIB, zoneSize: 4 * MIB }, how);
      await sh(`modprobe btrfs; mkfs.btrfs -q -O zoned -d single -m single "$1"`, disk.path);
      const mount = join(directory.path, "mnt");
      await sh(
        `mkdir "$2"; mount "$1" "$2"; mkdir "$2/tree"; cp -r src package.json "$2/tree/"; cp -r docs "$2/again"; sync; rm -r "$2/again"; umount "$2"`,
        disk.path,
        mount,
      );
      await sh(`mkdir "$1/tree"; cp -r src package.json "$1/tree/"; mount "$2" "$3"`, directory.path, disk.path, mount);
      expect(await treeSum(join(mount, "tree"))).toBe(await treeSum(join(directory.path, "tree")));
      await sh(`umount "$2"; btrfs check --readonly "$1" 2>&1 | grep -q "no error found"`, disk.path, mount);
      await disk.stop();
      expect(ublkNodes()).toEqual([]);
    },
    LIMIT,
  );
}

/** A zoned disk of methods that counts its appends. */
function methods(async: boolean) {
  const zoneSize = 4 * MIB;
  const data = new Uint8Array(256 * MIB);
  const written = new Array<number>(data.length / zoneSize).fill(0);
  const counts = { appends: 0 };
  const at = (offset: number): number => Math.floor(offset / zoneSize);
  const put = (buffer: Uint8Array, offset: number): void => {
    const zone = at(offset);
    if (offset !== zone * zoneSize + written[zone]!)
      throw Object.assign(new Error(`${offset} is not at the write pointer`), { code: "EIO" });
    data.set(buffer, offset);
    written[zone]! += buffer.length;
  };
  const zoneAt = (index: number): Zone => {
    const bytes = written[index]!;
    const start = index * zoneSize;
    return { start, writePointer: start + bytes, condition: bytes === 0 ? "empty" : bytes < zoneSize ? "closed" : "full" };
  };
  const soon = <Value>(value: Value): Value | Promise<Value> => (async ? Bun.sleep(1).then(() => value) : value);
  const target = {
    size: data.length,
    zoned: { zoneSize },
    read: (buffer: Uint8Array, offset: number) => buffer.set(data.subarray(offset, offset + buffer.length)),
    write: put,
    append(buffer: Uint8Array, zone: number) {
      counts.appends++;
      const offset = zone + written[at(zone)]!;
      put(buffer, offset);
      return soon(offset);
    },
    reportZones: (first: number, count: number) => soon(written.slice(at(first), at(first) + count).map((_, i) => zoneAt(at(first) + i))),
    flush: () => {},
    openZone: () => {},
    closeZone: () => {},
    finishZone: (zone: number) => void (written[at(zone)] = zoneSize),
    resetZone: (zone: number) => void (written[at(zone)] = 0),
    resetAll: () => void written.fill(0),
  };
  return { target, counts, written };
}

for (const kind of ["synchronous", "async"] as const) {
  (inVm() ? full : requires(false, "mounts: only in the VM"))(
    `a file system's appends get their place from ${kind} methods`,
    async () => {
      await using directory = await workDirectory("/tmp");
      const { counts, target } = methods(kind === "async");
      await using disk = await serve(target);
      expect(disk.mode).toBe("user-copy");
      expect(disk.explain().why).toContain("the disk is zoned");
      const mount = join(directory.path, "mnt");
      await sh(`modprobe btrfs; mkfs.btrfs -q -O zoned -d single -m single "$1"; mkdir "$2"; mount "$1" "$2"`, disk.path, mount);
      await sh(`head -c 6M /dev/urandom > "$2/data"; cp "$2/data" "$1/"; umount "$1"`, mount, directory.path);
      expect(counts.appends).toBeGreaterThan(0);
      await sh(`mount "$1" "$2"; cmp "$2/data" "$3/data"; umount "$2"`, disk.path, mount, directory.path);
    },
    LIMIT,
  );
}

full(
  "a report that is empty, or of other zones, fails, and the disk lives on",
  async () => {
    const { target, written } = methods(false);
    const wrong: Record<string, () => unknown> = { reportZones: () => [] };
    const problems: string[] = [];
    await using disk = await serve({
      ...target,
      reportZones: (first, count) => (wrong.now?.() ?? target.reportZones(first, count)) as never,
    });
    disk.on("requesterror", ({ op, error }) => problems.push(`${op}: ${(error as Error).message}`));
    for (const answer of [
      () => [],
      () => 7,
      () => [{ start: 4096, writePointer: 4096, condition: "empty" }],
      () => [{ start: 0, writePointer: 0, condition: "open" }],
      () => [{ start: 0, writePointer: 0, capacity: 5 * MIB, condition: "empty" }],
      () => Promise.reject(new Error("no report today")),
    ]) {
      wrong.now = answer;
      expect(await failure(`blkzone report -c 1 "$1"`, disk.path)).toContain("Input/output error");
    }
    wrong.now = () => undefined;
    expect(problems).toEqual([
      "REPORT_ZONES: reportZones: the report is empty; it must have the zone that was asked for, and may go on",
      "REPORT_ZONES: reportZones: the report is empty; it must have the zone that was asked for, and may go on",
      "REPORT_ZONES: reportZones: zone 0 of the report starts at 4096; it must start at 0",
      expect.stringContaining("condition 'open'; it must be one of empty, implicit-open"),
      expect.stringContaining("capacity of 5242880; it must be whole sectors up to the zone size"),
      "REPORT_ZONES: no report today",
    ]);
    await sh(`dd if=/dev/zero of="$1" bs=64k count=2 oflag=direct status=none`, disk.path);
    expect(written[0]).toBe(131072);
  },
  LIMIT,
);

/** Serves a zoned file in another process, which is killed when it has said that it serves. */
async function killed(options: ZonedOptions, script: string, recovery = "none"): Promise<number> {
  const program = `import { serve } from "uring-ublk"; import { zoned } from "uring-ublk/targets";
    const disk = await serve(zoned(${JSON.stringify(options)}), { recovery: "${recovery}" }); console.log(disk.id);`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  const id = Number(new TextDecoder().decode((await reader.read()).value));
  await sh(script, `/dev/ublkb${id}`);
  child.kill("SIGKILL");
  await child.exited;
  if (recovery === "none")
    await sh(
      `for i in $(seq 100); do uring-ublk del $1 2>/dev/null && break || sleep 0.1; done`.replace(
        "uring-ublk",
        `${process.execPath} src/cli/main.ts`,
      ),
      id,
    );
  return id;
}

full(
  "zones in a file outlive their server, also one that is killed; after a power failure what was flushed is there",
  async () => {
    await using directory = await workDirectory();
    const path = join(directory.path, "image");
    const options: ZonedOptions = { path, size: 32 * MIB, zoneSize: 4 * MIB };
    const data = join(directory.path, "data");
    await sh(`head -c 2M /dev/urandom > "$1"`, data);
    await killed(
      options,
      `dd if=${data} of=$1 bs=1M count=1 oflag=direct conv=notrunc,fsync status=none
       dd if=${data} of=$1 bs=1M count=1 skip=1 seek=1 oflag=direct conv=notrunc status=none
       dd if=${data} of=$1 bs=1M count=1 seek=4 oflag=direct conv=notrunc status=none`,
    );
    const table = readFileSync(`${path}.zones`);
    {
      await using disk = await served(options, { where: "Workers" });
      expect(await zonesOf(disk, 3)).toEqual(["cl 2", "cl 1", "em 0"]);
      await same(disk, data, 0);
    }
    table.fill("0", 64, 100); // of another boot
    writeFileSync(`${path}.zones`, table);
    {
      await using disk = await served(options);
      expect(await zonesOf(disk, 3)).toEqual(["cl 1", "em 0", "em 0"]);
      await zeros(disk, 1, 6);
      await sh(`cmp -n 1048576 "$2" <(dd if="$1" bs=1M count=1 iflag=direct status=none)`, disk.path, data);
      await sh(
        `dd if="$2" of="$1" bs=1M count=1 skip=1 seek=1 oflag=direct conv=notrunc status=none; blkzone finish -o 8192 -c 1 "$1"`,
        disk.path,
        data,
      );
    }
    await using disk = await served(options);
    expect(await zonesOf(disk, 3)).toEqual(["cl 2", "fu 4", "em 0"]);
    await same(disk, data, 0);
  },
  LIMIT,
);

full(
  "a zoned disk is recovered with the zones that it had, and by no other disk",
  async () => {
    await using directory = await workDirectory();
    const path = join(directory.path, "image");
    const options: ZonedOptions = { path, size: 32 * MIB, zoneSize: 4 * MIB };
    const id = await killed(options, `dd if=/dev/zero of=$1 bs=1M count=3 oflag=direct status=none`, "queue");
    const problem = (target: Parameters<typeof recover>[1]): Promise<string> =>
      recover(id, target).then(
        () => "recovered",
        ({ message }: Error) => message,
      );
    expect(await problem({ size: 32 * MIB, blockSize: 4096, read() {}, write() {} })).toContain(
      `recover: the target has no zones, and device ${id} has zones of 4194304 bytes; it must be the same`,
    );
    await using disk = await recover(id, zoned(options));
    expect(await zonesOf(disk, 2)).toEqual(["cl 3", "em 0"]);
    await sh(`dd if=/dev/zero of="$1" bs=1M count=1 seek=3 oflag=direct status=none`, disk.path);
    expect(await zonesOf(disk, 2)).toEqual(["fu 4", "em 0"]);
  },
  LIMIT,
);

full(
  "what cannot be is refused by name, before there is a device",
  async () => {
    await using directory = await workDirectory();
    const path = join(directory.path, "image");
    const { target } = methods(false);
    const problem = (what: unknown, options: object = {}): Promise<string> =>
      serve(what as never, options).then(
        (disk) => disk.stop().then(() => "served"),
        ({ message }: Error) => message,
      );
    const { append: _, ...partial } = target;
    const { zoned: __, ...flat } = target;
    const { reportZones, append, openZone, closeZone, finishZone, resetZone, resetAll, ...plain } = target;
    const cases: readonly (readonly [unknown, object, string])[] = [
      [partial, {}, "serve: the target has zone methods, but not append; a zoned disk needs all of them"],
      [flat, {}, "it has zone methods (or ops.zones), and no zoned in its geometry; add zoned: { zoneSize }, or leave them out"],
      [plain, {}, "zoned is given, and the target takes no zone requests; add reportZones, append"],
      [{ ...target, discard() {} }, {}, "it has discard and is zoned; a zone is emptied by resetZone: leave discard out"],
      [{ ...target, zoned: {} }, {}, "zoned.zoneSize is missing"],
      [{ ...target, zoned: { zoneSize: "3 MiB" } }, {}, "zoned.zoneSize is 3145728 bytes; it must be a power of two from 4096 to 1 TiB"],
      [{ ...target, size: 6 * MIB }, {}, "size is 6291456 bytes; of a zoned disk it must be whole zones of 4194304"],
      [{ ...target, zoned: { zoneSize: "4 MiB", maxOpen: 65 } }, {}, "zoned.maxOpen is 65"],
      [{ ...target, zoned: { zoneSize: "4 MiB", maxOpen: 5, maxActive: 4 } }, {}, "zoned.maxOpen is 5, more than zoned.maxActive (4)"],
      [{ ...target, zoned: { zoneSize: "4 MiB", maxAppend: 100 } }, {}, "zoned.maxAppend is 100 bytes; it must be whole blocks"],
      [{ ...target, zoned: { zonesize: 1 } }, {}, "zoneSize"],
      [{ ...target, resize() {} }, {}, "resize is given with zoned; the zones of a disk stay: leave resize out"],
      [target, { mode: "copy" }, "mode is 'copy', but the disk is zoned, and zones are reported by a copy of this process (USER_COPY)"],
      [zoned({ size: "8 MiB" }), { mode: "auto-buf-reg", batch: true }, "it loses the places of appends with batch: true"],
      [target, { recovery: "reissue" }, "recovery is 'reissue' and the disk is zoned"],
      [zoned({ size: "6 MiB" }), {}, "zoned: size is 6291456 bytes; it must be whole zones of 4194304"],
      [zoned({ size: "8 MiB", conventional: 2 }), {}, "zoned: conventional is 2"],
      [zoned({ size: "8 MiB", zoneCapacity: 100 }), {}, "zoned: zoneCapacity is 100 bytes; it must be whole blocks"],
      [zoned({ size: "8 MiB", maxActive: 1, maxOpen: 2 }), {}, "zoned: maxOpen is 2, more than maxActive (1)"],
    ];
    for (const [what, options, message] of cases) expect(await problem(what, options)).toContain(message);
    await (await served({ path, size: "8 MiB" })).stop();
    expect(await problem(zoned({ path, size: "8 MiB", zoneSize: "2 MiB" }))).toContain("zoned: zoneSize is 2097152, and");
    openSync(join(directory.path, "other"), "w");
    await sh(`echo data > "$1"; truncate -s 8M "$1"`, join(directory.path, "other"));
    expect(await problem(zoned({ path: join(directory.path, "other"), size: "8 MiB" }))).toContain("which says where its zones are");
    await sh(`rm "$1"`, path);
    expect(await problem(zoned({ path, size: "8 MiB" }))).toContain("but not the data that it belongs to");
    expect(ublkNodes()).toEqual([]);
  },
  LIMIT,
);
