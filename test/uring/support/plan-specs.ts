import { all, chain, deadline, fsync, group, nop, type Part, read, retry, step, timeout, within } from "uring-ublk";
import { Model, NEVER, type Spec } from "./plan-model.ts";
import type { Random } from "./random.ts";

type AnyPart = Part<unknown, unknown>;

/** A plan of the library for a spec. `file` has four bytes; a step of time is `ms` long. */
export function planOf(spec: Spec, file: number, ms: number): AnyPart {
  const make = (part: Spec): AnyPart => planOf(part, file, ms);
  const made = (part: Spec) => (part.kind === "step" ? step(() => make(part.plan)) : make(part));
  const time = (steps: number): number => (steps === NEVER ? 3_600_000 : steps * ms);
  switch (spec.kind) {
    case "nop":
      return nop({ result: spec.result });
    case "odd":
      return read({ fd: file, buffer: new Uint8Array(1), offset: -7 });
    case "refused":
      return read({ fd: file, buffer: new Uint8Array(1), offset: 0, ioprio: 0xe000 });
    case "lenient":
      return fsync({ fd: 900_000 });
    case "short": {
      const short = read({ fd: file, buffer: new Uint8Array(8), offset: 0 });
      return spec.exact ? short.exact() : short;
    }
    case "timer":
      return timeout({ ms: time(spec.steps) });
    case "within":
      return within(timeout({ ms: time(spec.steps) }), time(spec.limit));
    case "chain": {
      const links = spec.parts.map((part, i) => (spec.always[i] ? make(part).always() : made(part)));
      return spec.hard ? chain.hard(...(links as [AnyPart])) : chain(...(links as [AnyPart]));
    }
    case "all":
      return all(...spec.parts.map(make));
    case "group": {
      const release = spec.release === undefined ? {} : { release: make(spec.release) };
      const { cancels, oneSubmit } = spec;
      return group(make(spec.leader), spec.members.map(made), { onFailure: cancels ? "cancel" : "continue", oneSubmit, ...release });
    }
    case "step":
      throw new Error("a step stands in a chain or a group");
    case "deadline":
      return deadline(make(spec.plan), time(spec.steps));
    case "retry":
      return retry(make(spec.plan), { attempts: spec.attempts });
  }
}

/** Operations and timers. */
function leaf(random: Random, quiet: boolean): Spec {
  const kind = random.below(quiet ? 6 : 14);
  if (kind < 4) return { kind: "nop", result: random.below(3) };
  if (kind === 4) return { kind: "timer", steps: duration(random) };
  if (kind === 5) return { kind: "short", exact: false };
  if (kind < 9) return { kind: "nop", result: random.pick([-5, -28]) };
  if (kind === 9) return { kind: "odd" };
  if (kind > 11) return { kind: kind === 12 ? "refused" : "lenient" };
  if (kind === 10) return { kind: "short", exact: true };
  return random.chance(50)
    ? { kind: "within", steps: random.chance(50) ? NEVER : duration(random), limit: duration(random) }
    : { kind: "timer", steps: NEVER };
}

const duration = (random: Random): number => 1 + random.below(12);

function list(random: Random, depth: number, quiet: boolean): Spec[] {
  return Array.from({ length: 1 + random.below(4) }, () => specOf(random, depth - 1, quiet));
}

// What may fail at once would fail at the same time as its siblings do other things: in a group that cancels, it does so later.
const later = (random: Random, part: Spec): Spec => ({
  kind: "chain",
  hard: false,
  parts: [{ kind: "timer", steps: duration(random) }, part],
  always: [false, false],
});

/** A random plan; `quiet` ones do not fail of themselves. */
function specOf(random: Random, depth: number, quiet: boolean): Spec {
  if (depth <= 0 || random.chance(25)) return leaf(random, quiet);
  const kind = random.below(7);
  if (kind < 2) {
    const hard = random.chance(30);
    const parts = list(random, depth, quiet).map(
      (part, i): Spec => (i > 0 && !hard && random.chance(30) ? { kind: "step", plan: part } : part),
    );
    return { kind: "chain", hard, parts, always: parts.map((part) => part.kind !== "step" && random.chance(20)) };
  }
  if (kind === 2) return { kind: "all", parts: list(random, depth, quiet) };
  if (kind < 5) {
    const cancels = random.chance(40);
    const members = list(random, depth, quiet).map((part): Spec => {
      const member = part.kind === "within" || cancels ? later(random, part) : part;
      return random.chance(30) ? { kind: "step", plan: member } : member;
    });
    const led = specOf(random, depth - 1, random.chance(70) || quiet);
    const leader = led.kind === "within" ? later(random, led) : led;
    const release = random.chance(50) ? specOf(random, depth - 1, quiet) : undefined;
    // One after the other takes as long as side by side where only the last takes any time.
    const oneSubmit = members.slice(0, -1).every((member) => member.kind !== "timer") && random.chance(60);
    return { kind: "group", leader, members, cancels, oneSubmit, release };
  }
  if (kind === 5) return { kind: "deadline", plan: specOf(random, depth - 1, quiet), steps: duration(random) };
  return { kind: "retry", plan: specOf(random, depth - 1, quiet), attempts: 2 + random.below(2) };
}

/** A random plan, and when it is aborted; and what the rules say becomes of it. */
export interface Trial {
  readonly spec: Spec;
  readonly abort: number;
  readonly fate: ReturnType<Model["fate"]>;
}

/** Trials of which no two moments fall together, and that end. */
export function trialOf(random: Random): Trial {
  for (;;) {
    const spec = specOf(random, 3, random.chance(30));
    const abort = random.chance(40) ? duration(random) : NEVER;
    const model = new Model();
    const fate = model.fate(spec, 0, abort);
    const moments = [...model.moments.values(), ...(abort === NEVER ? [] : [abort])].filter((at) => at < NEVER).sort((a, b) => a - b);
    const apart = moments.every((at, i) => i === 0 || at - moments[i - 1]! >= 1);
    if (fate.end < 30 && apart) return { spec, abort, fate };
  }
}
