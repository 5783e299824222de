import { describe, expect, test } from "bun:test";
import { closeSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { BLKDISCARD, BLKGETSIZE64, BLKSSZGET, block, io, ior, iow, iowr, O_RDWR, SystemError, sys } from "uring-ublk/ffi";
import layout from "../fixtures/layout.json" with { type: "json" };
import { isRoot, requires } from "../support/requires.ts";
import { pattern, TemporaryFolder } from "../uring/support/descriptors.ts";

const constants: Readonly<Record<string, string>> = layout.constants;

describe("the ioctl encoder", () => {
  test("makes the numbers of ublk's commands", () => {
    const dev = 32; // sizeof(struct ublksrv_ctrl_cmd)
    const cmd = 16; // sizeof(struct ublksrv_io_cmd)
    const made: Record<string, number> = {
      UBLK_U_CMD_GET_QUEUE_AFFINITY: ior(0x75, 0x01, dev),
      UBLK_U_CMD_GET_DEV_INFO: ior(0x75, 0x02, dev),
      UBLK_U_CMD_ADD_DEV: iowr(0x75, 0x04, dev),
      UBLK_U_CMD_DEL_DEV: iowr(0x75, 0x05, dev),
      UBLK_U_CMD_START_DEV: iowr(0x75, 0x06, dev),
      UBLK_U_CMD_GET_FEATURES: ior(0x75, 0x13, dev),
      UBLK_U_IO_FETCH_REQ: iowr(0x75, 0x20, cmd),
      UBLK_U_IO_COMMIT_AND_FETCH_REQ: iowr(0x75, 0x21, cmd),
    };
    for (const [name, number] of Object.entries(made)) expect({ [name]: number }).toEqual({ [name]: Number(constants[name]) });
  });

  test("makes the numbers of linux/fs.h", () => {
    expect(BLKGETSIZE64).toBe(0x80081272);
    expect(BLKSSZGET).toBe(0x1268);
    expect(BLKDISCARD).toBe(0x1277);
    expect(io(0x12, 114)).toBe(0x1272);
    expect(iow(0x12, 131, 16)).toBe(Number(constants.BLKRESETZONE));
    expect(iowr(0x12, 130, 16)).toBe(Number(constants.BLKREPORTZONE));
  });

  test("refuses numbers that do not fit", () => {
    for (const make of [() => io(256, 0), () => io(0, 256), () => ior(0, 0, 16384), () => iow(-1, 0, 0), () => iowr(0, 0, 1.5)]) {
      expect(make).toThrow(RangeError);
    }
  });
});

/** A loop device over a file of 16 MiB, or the reason why there is none. */
function loopDevice(folder: TemporaryFolder): string {
  const path = folder.file("image");
  const fd = openSync(path, "w");
  ftruncateSync(fd, 16 << 20);
  closeSync(fd);
  const { stdout, exitCode } = Bun.spawnSync(["losetup", "-f", "--show", path]);
  return exitCode === 0 ? stdout.toString().trim() : "";
}

function canLoop(): boolean {
  if (!isRoot() || Bun.which("losetup") === null) return false;
  using folder = new TemporaryFolder();
  const device = loopDevice(folder);
  if (device !== "") Bun.spawnSync(["losetup", "-d", device]);
  return device !== "";
}

describe("the block device requests", () => {
  const loop = requires(canLoop(), "needs root and a loop device");
  loop("describe a real block device, discard and zero parts of it", () => {
    using folder = new TemporaryFolder();
    const device = loopDevice(folder);
    const fd = sys.open(device, O_RDWR);
    try {
      expect(block.size(fd)).toBe(16 << 20);
      expect(block.logicalBlockSize(fd)).toBe(512);
      expect(block.physicalBlockSize(fd)).toBeGreaterThanOrEqual(512);
      expect(block.readOnly(fd)).toBe(false);
      expect(block.size(fd)).toBe(512 * Number(readFileSync(`/sys/block/${device.slice(5)}/size`, "utf8")));
      sys.pwrite(fd, pattern(65536), 0);
      block.zeroOut(fd, 4096, 8192);
      block.discard(fd, 16384, 4096);
      const back = new Uint8Array(65536);
      expect(sys.pread(fd, back, 0)).toBe(65536);
      expect(back.slice(0, 4096)).toEqual(pattern(65536).slice(0, 4096));
      expect(back.slice(4096, 12288).every((byte) => byte === 0)).toBe(true);
      expect(back.slice(16384, 20480).every((byte) => byte === 0)).toBe(true);
      expect(back.slice(20480)).toEqual(pattern(65536).slice(20480));
      expect(() => block.zeroOut(fd, 1, 512)).toThrow(/EINVAL/);
    } finally {
      sys.close(fd);
      Bun.spawnSync(["losetup", "-d", device]);
    }
  });

  test("say ENOTTY for what is no block device", () => {
    const fd = sys.open("/dev/null", 0);
    for (const ask of [() => block.size(fd), () => block.readOnly(fd), () => block.discard(fd, 0, 512)]) {
      try {
        ask();
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(SystemError);
        expect(error).toMatchObject({ code: "ENOTTY", syscall: "ioctl" });
      }
    }
    sys.close(fd);
  });
});
