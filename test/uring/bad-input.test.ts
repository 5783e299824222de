/** What cannot be right is refused before anything is queued, with an error that names the option: for every option of every operation. */
import { describe, expect, test } from "bun:test";
import { type Operation, Ring } from "uring-ublk";
import { RawRing, UringError } from "uring-ublk/uring";
import { kernelAtLeast, requires } from "../support/requires.ts";
import { declared } from "./support/catalogue.ts";
import { LENIENT, SEVERING } from "./support/failing.ts";
import { mereResources, type Sample, samples } from "./support/samples.ts";

const resources = mereResources();
const SAMPLES = samples(resources);

const detached = new Uint8Array(16);
detached.buffer.transfer();

const NEVER = [null, "text", {}, [], () => 1, true, Symbol("s"), 7n] as const;
const NO_NUMBER: readonly unknown[] = [...NEVER, "7", Number.NaN, 1.5, Infinity, -Infinity, 2 ** 53, 2 ** 64, -(2 ** 40)];

/** Numbers that may be negative: what the kernel answers EBADF for, and what has a sign. */
const SIGNED = /^(fd|fdOut|epfd|result|events|value)$/;

/** Values that an option can never have, by what it has in the sample. */
function wrong(option: string, value: unknown): readonly unknown[] {
  if (typeof value === "number") {
    const numbers = option === "ms" ? NO_NUMBER.filter((bad) => bad !== 1.5) : NO_NUMBER;
    return SIGNED.test(option) ? numbers : [...numbers, option.endsWith("dirfd") || option.endsWith("Dirfd") ? -101 : -1];
  }
  if (typeof value === "boolean") return [null, "true", {}, [], 0, 1];
  if (typeof value === "string") return [null, 5, {}, [], true, "a\0b"];
  return [null, "text", 1.5, true, {}, [], () => 1, -1, ...(option === "buffer" || option === "value" ? [detached] : [])];
}

/** Pairs that are right all the same. */
const FINE: readonly [option: RegExp, value: (value: unknown) => boolean][] = [
  [/^(control|check|pins)$/, (value) => Array.isArray(value)], // none of them
  [/^value$/, (value) => value === -1], // of setsockopt: an int
];

/** Without one of these it is another form of the operation, which misses something else, or knows fewer options. */
const FORMS = new Map([
  ["buffers", "buffers?"],
  ["group", "(group|buffer)"],
]);

/** What no operation does without. */
const REQUIRED =
  /^(fd|fdIn|fdOut|epfd|events|target|slot|to|source|words|futexes|domain|type|advice|cmdOp|level|how|queue|change|size|memory|fds|ms|oldPath|newPath|(splice|tee|fallocate|ftruncate)\.length|(get|set)sockopt\.(name|value)|(bind|connect)\.address|waitid\.options|futexWait\.value)$/;
/** Except where it only says more. */
const OPTIONAL = /^(nop|nop128|cancel|epollCtl)\.(fd|target|events)$/;

const encode = (operation: Operation<unknown>, raw: RawRing): void => {
  const slot = raw.allocate(() => {});
  try {
    operation.encode(raw, slot);
  } finally {
    if (!raw.inFlightAt(slot)) raw.release(slot);
  }
};

/** Operations whose completions have 32 bytes. */
const LARGE = new Set(["txTimestamp", "recvZc"]);

/** A ring for descriptions that are encoded and never submitted. */
function ring({ name, options }: Sample): RawRing {
  return new RawRing({ entries: 1, sqe: 128, cqe: "extra" in options || LARGE.has(name) ? 32 : 16 });
}

/** What comes of building and encoding: "accepted", an error, or undefined where this kernel lacks what the sample needs. */
function attempt({ build, name }: Sample, options: Record<string, unknown>, raw: RawRing): unknown {
  const before = [raw.freeSlots, raw.inFlight, raw.queued];
  try {
    encode(build(options), raw);
    return "accepted";
  } catch (error) {
    expect({ name, state: [raw.freeSlots, raw.inFlight, raw.queued] }).toEqual({ name, state: before });
    return error;
  }
}

const typed = (error: unknown): error is Error => error instanceof TypeError || error instanceof RangeError;
/** Whether the message names the operation and the option. */
const refers = ({ message }: Error, name: string, option: string): boolean =>
  message.startsWith(`${name}: `) && new RegExp(`\\b${option}\\b`).test(message);
const lacks = (error: unknown): boolean => error instanceof UringError && error.code === "EOPNOTSUPP";
const shown = (value: unknown): string =>
  value === detached ? "a detached array" : typeof value === "symbol" ? "a symbol" : String(value);

describe("an option of an operation that cannot be right is refused:", () => {
  for (const [index, sample] of SAMPLES.entries()) {
    const { name, options } = sample;
    const form = SAMPLES.slice(0, index).filter((other) => other.name === name).length;
    test(form === 0 ? name : `${name}, form ${form + 1}`, () => {
      const right = (() => {
        using raw = ring(sample);
        return attempt(sample, options, raw);
      })();
      if (!lacks(right)) expect(right).toBe("accepted");
      const gaps: string[] = [];
      let raw = ring(sample);
      for (const [option, value] of Object.entries(options)) {
        for (const bad of wrong(option, value)) {
          if (FINE.some(([names, fine]) => names.test(option) && fine(bad))) continue;
          const outcome = attempt(sample, { ...options, [option]: bad }, raw);
          if (lacks(outcome) && lacks(right)) continue; // it says that first
          if (typed(outcome) && refers(outcome, name, option)) continue;
          if (outcome === "accepted") {
            raw.close(); // with the SQE that should not be
            raw = ring(sample);
          }
          gaps.push(`${option} = ${shown(bad)}: ${String(outcome)}`);
        }
      }
      for (const option of Object.keys(options)) {
        const { [option]: _, ...others } = options;
        const outcome = attempt(sample, others, raw);
        if (outcome === "accepted") {
          if (!OPTIONAL.test(`${name}.${option}`) && (REQUIRED.test(option) || REQUIRED.test(`${name}.${option}`)))
            gaps.push(`without ${option}: accepted`);
          raw.close();
          raw = ring(sample);
        } else if (!lacks(outcome) && !(typed(outcome) && refers(outcome, name, FORMS.get(option) ?? option)))
          gaps.push(`without ${option}: ${outcome}`);
      }
      raw.close();
      expect(gaps).toEqual([]);
    });
  }
});

describe("a refusal of the kernel", () => {
  for (const { name, how, write, since = "5.19", shape, result } of [...SEVERING, ...LENIENT]) {
    if (result !== undefined || typeof write === "function" || write.declaration.completions === "many") continue;
    requires(kernelAtLeast(since), `needs Linux ${since}`)(
      `names operation and code: ${name}${how === undefined ? "" : ` ${how}`}`,
      async () => {
        await using ring = await Ring.open({ entries: 8, fixedFiles: 2, ...shape });
        const settled = await ring.settle(write as Operation<unknown>);
        if (settled.status === "fulfilled") {
          expect(["futexWait", "futexWaitv", "timeout"]).toContain(name); // "not-equal" and "elapsed" are answers
          return;
        }
        const error = settled.reason as UringError;
        expect(error).toBeInstanceOf(UringError);
        expect(error.operation).toBe(name);
        expect(error.code).toMatch(/^E[A-Z0-9]+$/);
        expect(error.errno).toBeLessThan(0);
        expect(error.message).toContain(`${name}: ${error.code}`);
        if (/^(EINVAL|EFAULT|EBADF|ENOTSOCK|EOPNOTSUPP|ESPIPE|ENOBUFS)$/.test(error.code)) expect(error.hint?.length).toBeGreaterThan(10);
      },
    );
  }
});

describe("the samples", () => {
  test("are of every operation, and have every option", () => {
    for (const { name, options } of declared) {
      if (name === "linkTimeout") continue; // raw only
      const given = new Set(SAMPLES.filter((sample) => sample.name === name).flatMap((sample) => Object.keys(sample.options)));
      expect({ name, missing: options.filter((option) => !given.has(option)) }).toEqual({ name, missing: [] });
    }
  });
});
