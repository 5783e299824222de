// usual kernels: the newest
// file timeout: 1200 s
/** Batched queues: requests come and go by the list, in every mode that goes with it, and nothing is lost or done twice. */
import { afterEach, describe, expect, setDefaultTimeout } from "bun:test";
import { MODES, Op, type ServeOptions, serve, type UblkDevice, type UblkRequest } from "uring-ublk";
import { UblkControl, type UblkQueue } from "uring-ublk/ublk";
import { GATHERED } from "../../src/ublk/batch-elements.ts";
import { fetchBuffers } from "../../src/ublk/batch-fetch.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { client } from "./support/client.ts";
import { fio } from "./support/fio.ts";
import { aroundCycles, devices, stuckProcesses, until } from "./support/machine.ts";
import { Server } from "./support/server.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
const MiB = 2 ** 20;
const SIZE = 4 * MiB;
const BATCHED = MODES.map(({ name }) => name).filter((name) => name !== "need-get-data");
const has = kernelAtLeast("7.0");

const test = requires(haveUblk() && has, haveUblk() ? "BATCH_IO came with Linux 7.0" : "needs a kernel with ublk");
/** One of many alike: those that are not usual run in test:full. */
const oneOf = (usual: boolean) => (has ? ublkTest(usual) : test);

afterEach(async () => {
  if (!haveUblk()) return;
  await until(() => devices().length === 0, "free of devices").catch(() => {});
  expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

/** Random writes of all sizes, read again and compared. */
async function verified(path: string, iodepth: number): Promise<boolean> {
  const load = { rw: "randwrite", bsrange: "512-128k", blockalign: 512, size: "3m", verify: "crc32c", do_verify: 1 };
  const { jobs } = await fio(path, { ...load, iodepth });
  return jobs.every((job) => job.error === 0);
}

/** A disk in memory that reaches its data by copyTo and copyFrom alone: it serves in every mode. `look` sees a request first. */
function copying(
  data: Uint8Array,
  options: ServeOptions<never>,
  more: { partly?: boolean; look?: (request: UblkRequest) => boolean; queue?: (queue: UblkQueue) => void } = {},
): Promise<UblkDevice> {
  const handle = (request: UblkRequest): void => {
    const { offset, length, op } = request;
    if (more.look?.(request)) return;
    if (op === Op.FLUSH) {
      request.complete();
      return;
    }
    const bytes = more.partly === true && length > 4096 ? Math.ceil(length / 2 / 512) * 512 : length;
    if (op === Op.WRITE) request.copyTo(data.subarray(offset, offset + bytes));
    else if (op === Op.READ) request.copyFrom(data.subarray(offset, offset + bytes));
    else data.fill(0, offset, offset + length);
    request.complete(op > Op.WRITE ? length : bytes);
  };
  const geometry = { size: data.length, zeroCopy: true };
  const target = {
    open: () => geometry,
    attach: (queue: UblkQueue) => {
      more.queue?.(queue);
      return { handle, ops: { flush: true, discard: true, writeZeroes: true } };
    },
  };
  return serve(target, { depth: 32, maxIo: "128 KiB", batch: true, ...options });
}

for (const mode of BATCHED) {
  describe(mode, () => {
    for (const depth of [2, 32, 128]) {
      const usual = mode === "auto-buf-reg" && depth === 32;
      oneOf(usual)(`depth ${depth}: fio finds every byte it wrote, and flush, discard and zeroes arrive`, async () => {
        const data = new Uint8Array(SIZE);
        const seen = new Set<number>();
        const look = ({ op }: UblkRequest): boolean => {
          seen.add(op);
          return false;
        };
        await using disk = await copying(data, { mode, depth }, { look });
        expect(disk.explain().batch.used).toBe(true);
        expect(await verified(disk.path, depth)).toBe(true);
        const last = data[SIZE - 1];
        expect(
          await client(disk.path, [
            { do: "write", offset: 8192, length: 131072, fill: 9 },
            { do: "flush" },
            { do: "discard", offset: 16384, length: 4096 },
            { do: "zero", offset: 32768, length: 4096 },
            { do: "read", offset: 8192, length: 4096 },
            { do: "read", offset: 16384, length: 4096 },
          ]),
        ).toMatchObject([{ bytes: 131072 }, {}, {}, {}, { first: 9, last: 9 }, { first: 0, last: 0 }]);
        expect(data.subarray(8192, 16384).every((byte) => byte === 9)).toBe(true);
        expect(data.subarray(32768, 36864).every((byte) => byte === 0)).toBe(true);
        expect(data[SIZE - 1]).toBe(last!);
        for (const op of [Op.READ, Op.WRITE, Op.FLUSH, Op.DISCARD]) expect(seen).toContain(op);
      });
    }
  });
}

for (const mode of BATCHED) {
  const usual = mode === "copy";
  oneOf(usual)(
    `an element that the kernel refuses is repeated, not dropped, and so is what is behind it in the list: ${mode}`,
    async () => {
      const data = new Uint8Array(SIZE);
      let [spoilt, seen] = [0, 0];
      let batch: { commits: { elements: Int32Array; shift: number } } | undefined;
      const look = ({ tag }: UblkRequest): boolean => {
        if (++seen % 3 !== 0) return false;
        const { elements, shift } = batch!.commits;
        elements[tag << shift] = 0xffff; // a tag that does not exist: EINVAL, and the request stays ours
        spoilt++;
        return false;
      };
      const queue = (made: UblkQueue): void => {
        batch = (made as unknown as { batch: typeof batch }).batch;
      };
      await using disk = await copying(data, { mode }, { look, queue });
      expect(await verified(disk.path, 32)).toBe(true);
      expect(spoilt).toBeGreaterThan(20);
      await using control = await UblkControl.open();
      expect((await control.getDeviceInfo1(disk.id)).state).toBe("live");
    },
  );

  oneOf(false)(`what is completed in part goes on with the rest, and errors arrive: ${mode}`, async () => {
    const data = new Uint8Array(SIZE);
    const look = (request: UblkRequest): boolean => {
      if (request.op !== Op.WRITE || request.offset !== 2 * MiB) return false;
      request.fail(-28);
      return true;
    };
    await using disk = await copying(data, { mode }, { look, partly: true });
    expect(await client(disk.path, [{ do: "write", offset: 2 * MiB, length: 4096, fill: 1 }])).toMatchObject([{ code: "ENOSPC" }]);
    expect(await verified(disk.path, 32)).toBe(true);
  });

  oneOf(false)(`a server that is killed leaves no client hung, and the disk can be deleted: ${mode}`, async () => {
    await using server = await Server.start("batch-server.ts", [mode]);
    const id = Number(/\d+$/.exec(server.path)![0]);
    const waits = client(server.path, [{ do: "read", offset: MiB + 12288, length: 512 }]).catch(() => "failed");
    await server.said(/^asked$/m, 60_000);
    server.child.kill("SIGKILL");
    await server.child.exited;
    expect(await waits).toMatchObject([{ code: "EIO" }]);
    await using control = await UblkControl.open();
    await control.deleteDevice(id);
  });

  oneOf(false)(`a stop with open requests fails them after its grace: ${mode}`, async () => {
    let open = 0;
    const data = new Uint8Array(SIZE);
    const disk = await serve(
      {
        open: () => ({ size: data.length, zeroCopy: true }),
        attach: () => ({
          handle(request: UblkRequest) {
            if (request.offset === MiB + 12288) {
              open++;
              return new Promise<void>(() => {});
            }
            if (request.op === Op.READ) request.copyFrom(data.subarray(request.offset, request.offset + request.length));
            return void request.complete();
          },
        }),
      },
      { mode, batch: true, depth: 8 },
    );
    disk.on("requesterror", () => {});
    const waits = client(disk.path, [{ do: "read", offset: MiB + 12288, length: 512 }]).catch(() => "failed");
    await until(() => open > 0, "reached by the client");
    await disk.stop({ grace: 300 });
    expect(await waits).toMatchObject([{ code: "EIO" }]);
  });
}

oneOf(true)("a fetch that runs out of buffers is made again, and no request is lost", async () => {
  const most = fetchBuffers.most;
  fetchBuffers.most = 1;
  try {
    await using disk = await copying(new Uint8Array(SIZE), { mode: "user-copy" });
    expect(await verified(disk.path, 32)).toBe(true);
  } finally {
    fetchBuffers.most = most;
  }
});

oneOf(false)("a queue that cannot be set up leaves nothing open", async () => {
  const most = fetchBuffers.most;
  fetchBuffers.most = 3; // the kernel takes powers of two
  try {
    const refused = async (): Promise<void> => {
      await expect(copying(new Uint8Array(SIZE), { mode: "copy" })).rejects.toThrow("buffers is 3; it must be a power of two");
    };
    const { before, after } = await aroundCycles(refused, 5, 2);
    expect(after.fds).toBe(before.fds);
    expect(after.maps).toBeLessThanOrEqual(before.maps + 2);
  } finally {
    fetchBuffers.most = most;
  }
});

oneOf(false)("while every list is on its way requests are committed one by one, and none is lost", async () => {
  let asked = 0;
  const queue = ({ raw, spec }: UblkQueue): void => {
    const inFlightAt = raw.inFlightAt.bind(raw);
    raw.inFlightAt = (slot) => {
      if (slot < spec.depth || slot >= spec.depth + GATHERED) return inFlightAt(slot);
      asked++;
      return true;
    };
  };
  await using disk = await copying(new Uint8Array(SIZE), { mode: "copy" }, { queue });
  expect(await verified(disk.path, 32)).toBe(true);
  expect(asked).toBeGreaterThan(20);
});

oneOf(false)("two Workers serve a batched disk", async () => {
  await using disk = await serve(new URL("./support/death-target.ts", import.meta.url), {
    batch: true,
    queues: 2,
    depth: 32,
    maxIo: "128 KiB",
    options: { grief: "none", reached: new SharedArrayBuffer(4) },
  });
  expect(await verified(disk.path, 32)).toBe(true);
});

oneOf(false)("explain() says that the disk is batched, or that it could be", async () => {
  await using disk = await copying(new Uint8Array(SIZE), { mode: "copy" });
  expect(disk.explain().batch).toEqual({ used: true, why: "it was asked for" });
  await using other = await copying(new Uint8Array(SIZE), { mode: "copy", batch: false });
  expect(other.explain().batch).toEqual({ used: false, why: "possible: serve with batch: true" });
});

const old = requires(haveUblk() && !has, haveUblk() ? "the kernel has BATCH_IO" : "needs a kernel with ublk");
old("a kernel before 7.0 refuses batches by name", async () => {
  await expect(copying(new Uint8Array(SIZE), { mode: "copy" })).rejects.toThrow(/batch: true.*EOPNOTSUPP.*BATCH_IO.*Linux 7\.0/s);
});

test("what does not go with batches is refused by name", async () => {
  await expect(copying(new Uint8Array(SIZE), { mode: "need-get-data" })).rejects.toThrow(/batch is true and mode is 'need-get-data'/);
  const module = new URL("./support/death-target.ts", import.meta.url);
  await expect(serve(module, { batch: true, threads: 2 } as never)).rejects.toThrow(/batch is true and threads is 2/);
  await expect(copying(new Uint8Array(SIZE), { depth: 1 })).rejects.toThrow(/batch is true and depth is 1/);
});
