// usual kernels: none
/** In which order requests of one submitter come, and their completions go. */
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { type DataMode, type DeferredRequest, MODES, Op, serve, type UblkRequest } from "uring-ublk";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { devices, stuckProcesses } from "./support/machine.ts";

setDefaultTimeout(180_000); // an emulated machine, and neighbours
/** Odd places, which nobody else reads; no two are neighbours, which the kernel would make one request of. */
const BLOCKS = Array.from({ length: 8 }, (_, i) => 301 + 22 * i);
/** The order in which they are answered. */
const ANSWERS = [5, 0, 7, 2, 1, 6, 4, 3];

afterEach(() => {
  if (haveUblk()) expect({ devices: devices(), stuck: stuckProcesses() }).toEqual({ devices: [], stuck: [] });
});

function testIn(mode: DataMode) {
  const { since } = MODES.find(({ name }) => name === mode)!;
  if (haveUblk() && !kernelAtLeast(since)) return requires(false, `mode ${mode} came with Linux ${since}`);
  return ublkTest(true);
}

for (const { name: mode } of MODES) {
  testIn(mode)(`one submitter's requests come in its order, and it hears of them in the order of the answers, ${mode}`, async () => {
    const waiting: DeferredRequest[] = [];
    const arrived: number[] = [];
    const handle = (request: UblkRequest): void => {
      const block = request.offset / 4096;
      if (request.op === Op.READ) request.copyFrom(new Uint8Array(request.length).fill(BLOCKS.indexOf(block) + 1));
      if (!BLOCKS.includes(block) || request.length !== 4096) {
        request.complete();
        return;
      }
      arrived.push(block);
      waiting.push(request.defer());
      if (waiting.length === BLOCKS.length) for (const answer of ANSWERS) waiting[answer]!.complete();
    };
    await using disk = await serve({ size: "4 MiB", zeroCopy: true, handle }, { mode, depth: 32 });
    await sh("udevadm settle");
    const program = new URL("./support/order-client.ts", import.meta.url).pathname;
    const output = await sh(`exec taskset -c 0 "$1" "$2" "$3" "$4"`, process.execPath, program, disk.path, JSON.stringify(BLOCKS));
    expect(arrived).toEqual(BLOCKS);
    expect(JSON.parse(output)).toEqual(ANSWERS.map((answer) => [BLOCKS[answer], answer + 1]));
  });
}
