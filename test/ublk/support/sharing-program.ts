// A client that shares memory with a disk: maps the files one behind the other, memory of its own behind them, and does O_DIRECT I/O from
// and to any place in there. Reads a JSON list of steps from argv and prints a JSON list of results.

import { existsSync } from "node:fs";
import {
  arrayBufferAt,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  O_DIRECT,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
  SystemError,
  sys,
} from "uring-ublk/ffi";
import type { SharingResult, SharingStep } from "./sharing-client.ts";

const MAP_FIXED = 0x10;
const [path, maps, steps] = process.argv.slice(2).map((text) => (text.startsWith("[") ? JSON.parse(text) : text)) as [
  string,
  readonly { path: string; size: number }[],
  SharingStep[],
];
const fd = sys.open(path, O_RDWR | O_DIRECT);
const own = 2 ** 20;
const all = maps.reduce((sum, { size }) => sum + size, own);
const base = sys.mmap(0, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
let place = base;
for (const map of maps) {
  sys.mmap(place, map.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, sys.open(map.path, O_RDWR), 0);
  place += map.size;
}
const memory = new Uint8Array(arrayBufferAt(base, all));

function churn({ at, offset, length, until }: Extract<SharingStep, { do: "churn" }>): SharingResult {
  const [from, to] = [memory.subarray(at, at + length), memory.subarray(at + length, at + 2 * length)];
  let wrong = 0;
  let times = 0;
  while (!existsSync(until)) {
    from.fill(++times & 0xff);
    to.fill(0);
    sys.pwrite(fd, from, offset);
    sys.pread(fd, to, offset);
    if (Bun.hash(from) !== Bun.hash(to)) wrong++;
  }
  return { times, wrong };
}

function run(step: SharingStep): SharingResult {
  if (step.do === "churn") return churn(step);
  const buffer = memory.subarray(step.at, step.at + step.length);
  if (step.do === "write") return { bytes: sys.pwrite(fd, buffer.fill(step.fill), step.offset) };
  const bytes = sys.pread(fd, buffer, step.offset);
  return { bytes, first: buffer[0]!, last: buffer[bytes - 1]!, same: buffer.every((byte) => byte === buffer[0]) };
}

const results: SharingResult[] = [];
for (const step of steps) {
  try {
    results.push(run(step));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    results.push({ code: error.code });
  }
}
console.log(JSON.stringify(results));
process.exit(0);
