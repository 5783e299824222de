import { addressOf, ringSyscalls, SystemError, sys } from "uring-ublk/ffi";

const EBADF = -9;
const EINVAL = -22;
const ENOENT = -2;
const ENOTDIR = -20;

/** Failing calls, each with the errno that it must report: no two neighbours have the same. */
const calls: readonly [errno: number, name: string, call: () => number | undefined][] = [
  [EBADF, "close", () => thrown(() => sys.close(1_000_000))],
  [ENOENT, "open", () => thrown(() => sys.open("/no/such/file", 0))],
  [EINVAL, "setup by libc", () => ringSyscalls("libc").setup(0, addressOf(params))],
  [EBADF, "enter by libc", () => ringSyscalls("libc").enter(1_000_000, 0, 0, 0, 0, 0)],
  [ENOTDIR, "open below a file", () => thrown(() => sys.open("/dev/null/x", 0))],
  [EINVAL, "mmap", () => thrown(() => sys.mmap(0, 0, 0, 0x22, -1, 0))],
  [EBADF, "register by libc", () => ringSyscalls("libc").register(1_000_000, 8, 0, 0)],
  [EINVAL, "munmap", () => thrown(() => sys.munmap(1, 1))],
];

const params = new DataView(new ArrayBuffer(120));

function thrown(call: () => unknown): number | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error instanceof SystemError ? error.errno : undefined;
  }
}

/** New functions that get compiled, and garbage for the collector: what could come between a call and its errno. */
function churn(round: number): unknown {
  const source = `let s = ${round}; for (let i = 0; i < 200; i++) s = (s * 31 + i) | 0; return [s, {}, "x".repeat(s & 63)];`;
  const compiled = new Function(source) as () => unknown;
  const kept: unknown[] = [];
  for (let i = 0; i < 30; i++) kept.push(compiled(), new Uint8Array(512));
  return kept;
}

/** Makes calls fail for a while; answers how many, and which reported something else. */
export function failures(milliseconds: number, seed = 0): { checked: number; wrong: string[] } {
  const until = performance.now() + milliseconds;
  const wrong: string[] = [];
  let checked = 0;
  let kept: unknown;
  for (let round = seed; performance.now() < until; round++) {
    for (let i = 0; i < 40; i++) {
      const [errno, name, call] = calls[(round * 3 + i) % calls.length]!;
      const got = call();
      checked++;
      if (got !== errno && wrong.length < 10) wrong.push(`${name}: ${got} instead of ${errno}`);
    }
    kept = churn(round);
    if (round % 20 === 0) Bun.gc(true);
  }
  return kept === null ? { checked: 0, wrong } : { checked, wrong };
}
