import { readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { nop, type Operation, Ring, read } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import { BarePromises } from "./bare-promises.ts";
import { BLOCK, BLOCKS, nextRandom, withCachedFile } from "./cached-file.ts";
import { type BenchContext, type Benchmark, interleave, type Row, row } from "./harness.ts";
import { type LoopCost, measureAsyncLoop, measureLoop, warmUpAsync } from "./loop.ts";
import { rawNops, rawReads, roundsOf } from "./raw-loops.ts";

const DEPTHS = [1, 32, 128] as const;
const READ_DEPTH = 32;

/** `depth` asynchronous functions, each of which awaits one operation after the other. */
async function concurrently(
  depth: number,
  milliseconds: number,
  one: (index: number) => Promise<unknown>,
  drive = (): void => {},
): Promise<LoopCost> {
  const rounds = roundsOf(depth);
  const worker = async (index: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) await one(index);
  };
  return measureAsyncLoop(milliseconds, async () => {
    const all = Promise.all(Array.from({ length: depth }, (_, index) => worker(index)));
    drive();
    await all;
    return depth * rounds;
  });
}

async function promisedNops(depth: number, milliseconds: number, describe: () => Operation<number>): Promise<LoopCost> {
  await using ring = await Ring.open({ entries: depth });
  return await concurrently(depth, milliseconds, () => ring.run(describe()));
}

async function bareNops(depth: number, milliseconds: number): Promise<LoopCost> {
  using bare = new BarePromises(depth);
  return await concurrently(
    depth,
    milliseconds,
    () => bare.nop(),
    () => bare.drive(),
  );
}

function rows(name: string, floorName: string, ours: readonly LoopCost[], floor: readonly LoopCost[], context: BenchContext): Row[] {
  const { environment } = context;
  const values = (key: keyof LoopCost) => ({ ours: ours.map((c) => c[key]), floor: floor.map((c) => c[key]) });
  const cpu = row({ name, unit: "process CPU ns/op", floorName, ...values("processCpu"), environment });
  // Where all threads share one processor, as with counted time, the two are the same.
  if (sys.schedGetAffinity(0).length === 1) return [cpu];
  return [cpu, row({ name, unit: "wall ns/op", floorName, ...values("wall"), environment })];
}

/** Warms every side up, and measures all in turn. */
async function compare<Side extends string>(
  context: BenchContext,
  sides: { readonly [Name in Side]: (milliseconds: number) => LoopCost | Promise<LoopCost> },
): Promise<Record<Side, LoopCost[]>> {
  const names = Object.keys(sides) as Side[];
  for (const name of names) await warmUpAsync(context, async (ms) => (await sides[name](ms)).processCpu);
  const timed = names.map((name) => [name, () => sides[name](context.milliseconds)] as const);
  return interleave(context.runs, Object.fromEntries(timed) as { [Name in Side]: () => LoopCost | Promise<LoopCost> });
}

async function nopRows(context: BenchContext, depth: number): Promise<Row[]> {
  context.say(`promises: NOPs, depth ${depth}`);
  const same = nop();
  const round = rawNops(depth);
  const runs = await compare(context, {
    raw: (ms) => measureLoop(ms, round),
    described: (ms) => promisedNops(depth, ms, () => nop()),
    kept: (ms) => promisedNops(depth, ms, () => same),
    bare: (ms) => bareNops(depth, ms),
  });
  return [
    ...rows(`NOP, depth ${depth}`, "our raw layer", runs.described, runs.raw, context),
    ...rows(`NOP described once, depth ${depth}`, "our raw layer", runs.kept, runs.raw, context),
    ...rows(`NOP, depth ${depth}`, "a bare promise on our raw layer", runs.described, runs.bare, context),
    ...rows(`bare promise, depth ${depth}`, "our raw layer", runs.bare, runs.raw, context),
  ];
}

/** Every way to read a block, each with buffers of its own where it takes any. */
async function readers(path: string, fd: number, handle: FileHandle) {
  const buffers = Array.from({ length: READ_DEPTH }, () => new Uint8Array(BLOCK));
  let seed = 0x2545f491;
  const offset = (): number => {
    seed = nextRandom(seed);
    return (seed & (BLOCKS - 1)) * BLOCK;
  };
  const whole = (length: number): void => {
    if (length !== BLOCK) throw new Error(`a read returned ${length}`);
  };
  const file = Bun.file(path);
  const raw = rawReads(fd, { fixed: false, depth: READ_DEPTH });
  return {
    raw: (ms: number) => measureLoop(ms, raw),
    ring: async (ms: number) => {
      await using ring = await Ring.open({ entries: READ_DEPTH });
      return await concurrently(READ_DEPTH, ms, async (i) => whole(await ring.run(read({ fd, buffer: buffers[i]!, offset: offset() }))));
    },
    promises: (ms: number) =>
      concurrently(READ_DEPTH, ms, async (i) => whole((await handle.read(buffers[i]!, 0, BLOCK, offset())).bytesRead)),
    bunFile: (ms: number) =>
      concurrently(READ_DEPTH, ms, async () => {
        const from = offset();
        whole((await file.slice(from, from + BLOCK).arrayBuffer()).byteLength);
      }),
    sync: (ms: number) =>
      measureLoop(ms, () => {
        for (let i = 0; i < 1000; i++) whole(readSync(fd, buffers[0]!, 0, BLOCK, offset()));
        return 1000;
      }),
  };
}

async function readRows(context: BenchContext, path: string, fd: number): Promise<Row[]> {
  context.say(`promises: reads, depth ${READ_DEPTH}`);
  await using handle = await open(path);
  const runs = await compare(context, await readers(path, fd, handle));
  const against = (how: string, floor: readonly LoopCost[]) => rows(`4 KiB read, depth ${READ_DEPTH}`, how, runs.ring, floor, context);
  return [
    ...against("fs.promises FileHandle.read", runs.promises),
    ...against("Bun.file(path).slice().arrayBuffer()", runs.bunFile),
    ...against("fs.readSync, one by one", runs.sync),
    ...against("our raw layer", runs.raw),
  ];
}

export default {
  name: "promises",
  unit: "ns/op",
  question: "what does a promise per operation cost on top of the ring, and what do Bun's own ways to read cost?",
  where: "both",
  async run(context) {
    const all: Row[] = [];
    for (const depth of DEPTHS) all.push(...(await nopRows(context, depth)));
    all.push(...(await withCachedFile((path, fd) => readRows(context, path, fd))));
    return all;
  },
} satisfies Benchmark;
