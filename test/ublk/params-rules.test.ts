// usual kernels: the newest
/**
 * Parameters are checked by the kernel's own rules before they are sent: what is refused here the kernel refuses too, when the same bytes are sent
 * past the check, and what is taken here it takes.
 */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import {
  abi,
  checkParams,
  type DeviceInfo,
  type DiskParams,
  encodeParams,
  PARAMS_RULES,
  type RuledDevice,
  UblkControl,
} from "uring-ublk/ublk";
import { haveUblk, kernelAtLeast, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";
import { controlCommand } from "./support/raw-control.ts";
import { PARAMS } from "./support/raw-device.ts";

setDefaultTimeout(120_000); // an emulated machine, and neighbours
const test = ublkTest(true);
const EINVAL = -22;
const MAX_IO = PARAMS.maxIoBytes;
const MiB = 2 ** 20;

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** What a device is made with, and parameters that it takes. */
const KINDS = {
  plain: { flags: 0, params: PARAMS },
  zoned: {
    flags: abi.UBLK_F_ZONED | abi.UBLK_F_USER_COPY,
    params: { ...PARAMS, chunkBytes: MiB, zoned: { maxOpenZones: 2, maxActiveZones: 4, maxZoneAppendBytes: 4096 } },
  },
  integrity: {
    flags: abi.UBLK_F_INTEGRITY | abi.UBLK_F_USER_COPY,
    params: {
      ...PARAMS,
      blockSize: 4096,
      integrity: {
        capable: true,
        refTag: true,
        maxSegments: 0,
        intervalBytes: 4096,
        metadataBytes: 8,
        offset: 0,
        checksum: "crc16-t10dif",
        tagBytes: 2,
      },
    },
  },
} as const satisfies Record<string, { flags: number; params: DiskParams }>;
type Kind = keyof typeof KINDS;

const DISCARDS = { maxDiscardBytes: MiB, maxWriteZeroesBytes: MiB, discardGranularity: 512 } as const;
const SEGMENTS = { boundaryMask: 2 ** 32 - 1, maxBytes: 65536, maxCount: 32 } as const;
const zoned = (more: object): Partial<DiskParams> => ({ zoned: { ...KINDS.zoned.params.zoned, ...more } });
const integrity = (more: object): Partial<DiskParams> => ({ integrity: { ...KINDS.integrity.params.integrity, ...more } });

/** What is taken: at the limits of each rule. */
const TAKEN: readonly (readonly [Kind, Partial<DiskParams>])[] = [
  ["plain", {}],
  ["plain", { size: 0 }],
  ["plain", { blockSize: 4096 }],
  ["plain", { blockSize: 512, physicalBlockSize: 512 }],
  ["plain", { physicalBlockSize: 2 ** 28, ioMin: 2 ** 28, ioOpt: 2 ** 28 }],
  ["plain", { ioMin: 1, ioOpt: 1 }],
  ["plain", { maxIoBytes: 4096 }],
  ["plain", { maxIoBytes: MAX_IO - 512 }],
  ["plain", { chunkBytes: 3 * 65536 }],
  ["plain", { virtBoundaryMask: 4095 }],
  ["plain", DISCARDS],
  ["plain", { ...DISCARDS, discardAlignment: 4096, discardGranularity: 7 }],
  ["plain", { ...DISCARDS, maxDiscardBytes: 0 }],
  ["plain", { dmaAlignmentMask: 4095 }],
  ["plain", { dmaAlignmentMask: 1 }],
  ["plain", { segments: SEGMENTS }],
  ["plain", { segments: { ...SEGMENTS, boundaryMask: 4095, maxBytes: 4096, maxCount: 1 } }],
  ["plain", { segments: { ...SEGMENTS, boundaryMask: 2 ** 53 - 1, maxBytes: 2 ** 32 - 1, maxCount: 0xffff } }],
  ["zoned", {}],
  ["zoned", zoned({ maxOpenZones: 0, maxActiveZones: 0 })],
  ["zoned", { dmaAlignmentMask: 6 }], // the kernel does not look
  ["integrity", {}],
  ["integrity", integrity({ intervalBytes: 512, metadataBytes: 255, offset: 247 })],
  ["integrity", integrity({ checksum: "none", refTag: false, metadataBytes: 1 })],
  ["integrity", integrity({ checksum: "ip", maxSegments: 0xffff, capable: false })],
  ["integrity", integrity({ checksum: "crc64-nvme", metadataBytes: 16 })],
];

/** What is refused, and how. */
const REFUSED: readonly (readonly [Kind, Partial<DiskParams>, RegExp])[] = [
  ["plain", { size: 1000 }, /^SET_PARAMS: size is 1000; it must be a multiple of 512/],
  ["plain", { blockSize: 1000 }, /blockSize is 1000; it must be a power of two$/],
  ["plain", { blockSize: 256 }, /blockSize is 256; it must be a power of two from 512 to 4096/],
  ["plain", { blockSize: 8192, physicalBlockSize: 8192 }, /blockSize is 8192/],
  ["plain", { physicalBlockSize: 5000 }, /physicalBlockSize is 5000; it must be a power of two/],
  ["plain", { physicalBlockSize: 2 ** 29 }, /physicalBlockSize is 536870912; it must be a power of two from 1 to 268435456/],
  ["plain", { blockSize: 4096, physicalBlockSize: 2048 }, /physicalBlockSize is 2048; it must not be less than blockSize \(4096\)/],
  ["plain", { ioMin: 3 }, /ioMin is 3/],
  ["plain", { ioMin: 2 ** 29 }, /ioMin is 536870912; it must be a power of two from/],
  ["plain", { ioOpt: 3 }, /ioOpt is 3/],
  ["plain", { ioOpt: 2 ** 29 }, /ioOpt is 536870912; it must be a power of two from/],
  ["plain", { maxIoBytes: 5000 }, /maxIoBytes is 5000; it must be a multiple of 512/],
  ["plain", { maxIoBytes: 3584 }, /maxIoBytes is 3584; it must be from 4096 to the device's 65536/],
  ["plain", { maxIoBytes: MAX_IO + 512 }, /maxIoBytes is 66048; it must be from 4096 to the device's 65536/],
  ["plain", { chunkBytes: 100 }, /chunkBytes is 100/],
  ["plain", { virtBoundaryMask: -1 }, /virtBoundaryMask is -1/],
  ["plain", { ...DISCARDS, discardGranularity: 0 }, /discardGranularity is 0; it must not be 0/],
  ["plain", { ...DISCARDS, discardGranularity: 2 ** 32 }, /discardGranularity is 4294967296; it must be an integer from 0 to 4294967295/],
  ["plain", { ...DISCARDS, discardAlignment: -5 }, /discardAlignment is -5/],
  ["plain", { maxDiscardBytes: 100 }, /maxDiscardBytes is 100/],
  ["plain", { maxWriteZeroesBytes: 2 ** 42 }, /maxWriteZeroesBytes is 4398046511104; it must be a multiple of 512 up to 2199023255040/],
  ["plain", { dmaAlignmentMask: 6 }, /dmaAlignmentMask is 6; it must be a power of two minus one, up to 4095/],
  ["plain", { dmaAlignmentMask: 8191 }, /dmaAlignmentMask is 8191/],
  ["plain", { segments: { ...SEGMENTS, boundaryMask: 4096 } }, /segments\.boundaryMask is 4096; it must be a power of two minus one/],
  ["plain", { segments: { ...SEGMENTS, boundaryMask: 2047 } }, /segments\.boundaryMask is 2047/],
  ["plain", { segments: { ...SEGMENTS, maxBytes: 2048 } }, /segments\.maxBytes is 2048; it must be at least 4096/],
  ["plain", { segments: { ...SEGMENTS, maxBytes: 2 ** 32 } }, /segments\.maxBytes is 4294967296/],
  ["plain", { segments: { ...SEGMENTS, maxCount: 70000 } }, /segments\.maxCount is 70000/],
  ["plain", { segments: { ...SEGMENTS, maxCount: 0 } }, /segments\.maxCount is 0; it must not be 0/],
  ["plain", zoned({}), /zoned is given; the device must be made with UBLK_F_ZONED for it/],
  ["zoned", { zoned: undefined } as never, /zoned is left out; the device was made with UBLK_F_ZONED and must have it/],
  ["zoned", { chunkBytes: 3 * 65536 }, /chunkBytes is 196608; with zoned it is the size of a zone/],
  ["zoned", { chunkBytes: 0 }, /chunkBytes is 0; with zoned/],
  ["zoned", zoned({ maxOpenZones: 5 }), /zoned\.maxOpenZones is 5; it must not be more than the zones there are \(4\)/],
  ["zoned", zoned({ maxOpenZones: -1 }), /zoned\.maxOpenZones is -1/],
  ["zoned", zoned({ maxActiveZones: 5 }), /zoned\.maxActiveZones is 5/],
  ["zoned", zoned({ maxActiveZones: 1.5 }), /zoned\.maxActiveZones is 1\.5/],
  ["zoned", zoned({ maxZoneAppendBytes: 0 }), /zoned\.maxZoneAppendBytes is 0; it must not be 0/],
  ["zoned", zoned({ maxZoneAppendBytes: 100 }), /zoned\.maxZoneAppendBytes is 100/],
  ["plain", integrity({ intervalBytes: 512 }), /integrity is given; the device must be made with UBLK_F_INTEGRITY for it/],
  ["integrity", integrity({ checksum: "md5" }), /integrity\.checksum is 'md5'; it must be one of none, ip, crc16-t10dif, crc64-nvme/],
  ["integrity", integrity({ checksum: "none" }), /integrity\.refTag is true; there is none with checksum 'none'/],
  ["integrity", integrity({ maxSegments: 70000 }), /integrity\.maxSegments is 70000/],
  ["integrity", integrity({ intervalBytes: 3000 }), /integrity\.intervalBytes is 3000; it must be a power of two$/],
  [
    "integrity",
    integrity({ intervalBytes: 256 }),
    /integrity\.intervalBytes is 256; it must be a power of two from 512 to blockSize \(4096\)/,
  ],
  ["integrity", integrity({ intervalBytes: 8192 }), /integrity\.intervalBytes is 8192/],
  ["integrity", integrity({ metadataBytes: 0 }), /integrity\.metadataBytes is 0; it must not be 0, and hold 8 bytes from offset 0 on/],
  ["integrity", integrity({ metadataBytes: 15, checksum: "crc64-nvme" }), /integrity\.metadataBytes is 15; .*hold 16 bytes/],
  ["integrity", integrity({ metadataBytes: 12, offset: 5 }), /integrity\.metadataBytes is 12; .*hold 8 bytes from offset 5 on/],
  ["integrity", integrity({ metadataBytes: 256 }), /integrity\.metadataBytes is 256; it must be an integer from 0 to 255/],
  ["integrity", integrity({ offset: -1 }), /integrity\.offset is -1/],
  ["integrity", integrity({ tagBytes: 256 }), /integrity\.tagBytes is 256/],
];

const paramsOf = (kind: Kind, more: Partial<DiskParams>): DiskParams => ({ ...KINDS[kind].params, ...more });

/** The rule that speaks first. */
function ruleOf(params: DiskParams, device: RuledDevice) {
  return PARAMS_RULES.find(({ value, holds }) => {
    const found = value(params, device);
    return found !== undefined && !holds(found as never, params, device);
  });
}

/** Devices of every kind that this kernel has. */
async function withDevices(body: (control: UblkControl, devices: Partial<Record<Kind, DeviceInfo>>) => Promise<void>): Promise<void> {
  await using control = await UblkControl.open();
  const made: Partial<Record<Kind, DeviceInfo>> = {};
  try {
    for (const [kind, { flags }] of Object.entries(KINDS)) {
      if ((flags & ~control.features) !== 0) continue;
      made[kind as Kind] = await control.addDevice({ queues: 1, depth: 1, maxIoBytes: MAX_IO, flags });
    }
    await body(control, made);
  } finally {
    for (const { id } of Object.values(made)) await control.deleteDevice(id);
  }
}

/** A kind of parameters that a kernel does not know is not looked at there. */
function isKnown({ segments, dmaAlignmentMask, integrity: metadata, ...params }: DiskParams): boolean {
  // Linux 6.12 takes any of these; where that ended has not been looked for.
  if (!kernelAtLeast("7.2") && Math.max(params.physicalBlockSize, params.ioMin, params.ioOpt) > 2 ** 28) return false;
  // 6.12 and 7.2 refuse these; 6.18 does not.
  const { chunkBytes = 0, zoned: zones } = params;
  const oddZones = zones !== undefined && (chunkBytes & (chunkBytes - 1)) !== 0;
  if (kernelAtLeast("6.13") && !kernelAtLeast("7.2") && (params.maxIoBytes < 4096 || oddZones)) return false;
  if (!kernelAtLeast("6.16") && (segments !== undefined || dmaAlignmentMask > 0)) return false;
  return metadata === undefined || kernelAtLeast("7.0");
}

test("what is refused, by field and rule, the kernel refuses when it is sent all the same", async () => {
  const taken: [Kind, object][] = [];
  await withDevices(async (control, made) => {
    for (const [kind, more, message] of REFUSED) {
      const params = paramsOf(kind, more);
      const info = made[kind];
      if (info === undefined) continue; // this kernel has no such devices
      expect(() => checkParams(params, info)).toThrow(RangeError);
      expect(() => checkParams(params, info)).toThrow(message);
      await expect(control.setParams(info.id, params)).rejects.toThrow(message);
      if (ruleOf(params, info)?.by !== "kernel" || !isKnown(params)) continue;
      const errno = await controlCommand(abi.UBLK_U_CMD_SET_PARAMS, info.id, encodeParams(params));
      if (errno !== EINVAL) taken.push([kind, more]);
    }
  });
  expect(taken).toEqual([]);
});

test("what is taken the kernel takes, and gives back", async () => {
  await withDevices(async (control, made) => {
    for (const [kind, more] of TAKEN) {
      const info = made[kind];
      if (info === undefined) continue; // this kernel has no such devices
      const params = paramsOf(kind, more);
      await control.setParams(info.id, params).catch((error: Error) => {
        throw new Error(`${JSON.stringify(more)}: ${error.message}`);
      });
      const { disk: _, ...stored } = await control.getParams(info.id);
      if (!isKnown(params)) continue;
      const discards = params.maxDiscardBytes > 0 || params.maxWriteZeroesBytes > 0;
      expect(stored).toEqual({ ...params, discardGranularity: discards ? params.discardGranularity : 0 });
    }
  });
});

test("every rule has something that breaks it, and nothing else speaks before it", () => {
  const device = (kind: Kind): RuledDevice => ({ flags: KINDS[kind].flags, maxIoBytes: MAX_IO });
  const spoken = new Set(REFUSED.map(([kind, more]) => ruleOf(paramsOf(kind, more), device(kind))));
  expect(PARAMS_RULES.filter((rule) => !spoken.has(rule)).map(({ field, by, rule }) => ({ field, by, rule: String(rule) }))).toEqual([]);
});
