/**
 * Plans as plain data, and what docs/plans.md says becomes of them: a reference that shares nothing with the library.
 *
 * Time is counted in steps. Operations take none, a timer as many as it says; no two things of a plan happen at the same time, or else
 * their order would matter.
 */
export type Spec =
  | { readonly kind: "nop"; readonly result: number }
  | { readonly kind: "odd" } // cannot be encoded
  | { readonly kind: "refused" } // the kernel does not take it: with links it takes none of its chain
  | { readonly kind: "lenient" } // fails without severing a link
  | { readonly kind: "short"; readonly exact: boolean } // reads 4 bytes of 8
  | { readonly kind: "timer"; readonly steps: number }
  | { readonly kind: "within"; readonly steps: number; readonly limit: number }
  | { readonly kind: "chain"; readonly hard: boolean; readonly parts: readonly Spec[]; readonly always: readonly boolean[] }
  | { readonly kind: "all"; readonly parts: readonly Spec[] }
  | Group
  | { readonly kind: "step"; readonly plan: Spec }
  | { readonly kind: "deadline"; readonly plan: Spec; readonly steps: number }
  | { readonly kind: "retry"; readonly plan: Spec; readonly attempts: number };

export interface Group {
  readonly kind: "group";
  readonly leader: Spec;
  readonly members: readonly Spec[];
  readonly cancels: boolean;
  readonly oneSubmit: boolean;
  readonly release: Spec | undefined;
}

/** What becomes of a part: a line like those of `brief`, when it is over, and what it resolves to. */
export interface Fate {
  readonly status: "fulfilled" | "failed" | "cancelled" | "unstarted";
  readonly line: string;
  readonly end: number;
  readonly value?: unknown;
}

export const NEVER = Number.POSITIVE_INFINITY;
const CODES: Readonly<Record<number, string>> = { [-5]: "EIO", [-28]: "ENOSPC" };

/** The line of a part of which nothing began. */
function unstarted(spec: Spec): string {
  if (spec.kind === "chain" || spec.kind === "all") return `unstarted[${spec.parts.map(unstarted).join(" ")}]`;
  if (spec.kind === "deadline") return `unstarted[${unstarted(spec.plan)}]`;
  if (spec.kind === "retry") return "unstarted[]";
  if (spec.kind !== "group") return "unstarted";
  const release = spec.release === undefined ? "" : ` ${unstarted(spec.release)}`;
  return `unstarted[${unstarted(spec.leader)} (${spec.members.map(unstarted).join(" ")})${release}]`;
}

const never = (spec: Spec, at: number): Fate => ({ status: "unstarted", line: unstarted(spec), end: at });
const good = (line: string, end: number, value: unknown): Fate => ({ status: "fulfilled", line, end, value });
const bad = (code: string, end: number): Fate => ({ status: "failed", line: `failed:${code}`, end });
/** The code of a failure; several, with bars between, where two came at the same time and either counts. */
const codeOf = ({ line }: Fate): string => /^failed:([\w|]+)/.exec(line)?.[1] ?? "?";

/** Whether an outcome's line is what a fate says. */
export function matches(line: string, fate: Fate): boolean {
  const literal = fate.line.replaceAll(/[[\]()]/g, "\\$&").replaceAll(/failed:([\w|]+)/g, "failed:(?:$1)");
  return new RegExp(`^${literal}$`).test(line);
}

/** Says what becomes of plans. `moments` are the times at which something may happen to them, by what it is. */
export class Model {
  readonly moments = new Map<string, number>();

  /** The fate of a plan whose turn comes at `start`, and that is interrupted at `stop` unless it is over. */
  fate(spec: Spec, start: number, stop: number, name = "plan"): Fate {
    switch (spec.kind) {
      case "nop":
        return spec.result < 0 ? bad(CODES[spec.result]!, start) : good("fulfilled", start, spec.result);
      case "odd":
        return bad("RangeError", start);
      case "refused":
        return bad("EINVAL", start);
      case "lenient":
        return bad("EBADF", start);
      case "short":
        return spec.exact ? bad("EIO", start) : good("fulfilled", start, 4);
      case "timer":
        return this.#timer(spec.steps, NEVER, start, stop, name);
      case "within":
        return this.#timer(spec.steps, spec.limit, start, stop, name);
      case "chain":
        return this.#chain(spec, start, stop, name);
      case "all":
        return this.#all(spec.parts, start, stop, name);
      case "group":
        return this.#group(spec, start, stop, name);
      case "step":
        return this.fate(spec.plan, start, stop, name);
      case "deadline":
        return this.#deadline(spec.plan, spec.steps, start, stop, name);
      case "retry":
        return this.#retry(spec.plan, spec.attempts, start, stop, name);
    }
  }

  #timer(steps: number, limit: number, start: number, stop: number, name: string): Fate {
    if (steps < NEVER) this.moments.set(`${name} end`, start + steps);
    if (limit < NEVER) this.moments.set(`${name} limit`, start + limit);
    if (start + steps < Math.min(start + limit, stop)) return good("fulfilled", start + steps, "elapsed");
    if (start + limit < stop) return bad("ETIME", start + limit);
    return { status: "cancelled", line: "cancelled", end: stop };
  }

  #chain(spec: Extract<Spec, { kind: "chain" }>, start: number, stop: number, name: string): Fate {
    let now = start;
    const fates: Fate[] = [];
    for (const [i, part] of spec.parts.entries()) {
      const always = spec.always[i]!;
      const broken = fates.some(({ status }) => status !== "fulfilled");
      const takes = always || (now < stop && (spec.hard || !broken));
      const fate = takes ? this.fate(part, now, always ? NEVER : stop, `${name}.${i}`) : never(part, now);
      fates.push(fate);
      now = fate.end;
    }
    return this.#whole(fates, fates.map(({ line }) => line).join(" "), now, stop, () => fates.map(({ value }) => value));
  }

  #all(parts: readonly Spec[], start: number, stop: number, name: string): Fate {
    const fates = parts.map((part, i) => this.fate(part, start, stop, `${name}.${i}`));
    const end = Math.max(...fates.map((fate) => fate.end));
    return this.#whole(fates, fates.map(({ line }) => line).join(" "), end, stop, () => fates.map(({ value }) => value));
  }

  #group(spec: Group, start: number, stop: number, name: string): Fate {
    const leader = this.fate(spec.leader, start, stop, `${name}.leader`);
    const led = leader.status === "fulfilled";
    const goesOn = led && leader.end < stop; // a leader may be over later, with what it does in any case
    const members = spec.members.map((part, i) => (goesOn ? this.#member(spec, i, leader.end, stop, name) : never(part, leader.end)));
    const done = Math.max(leader.end, ...members.map(({ end }) => end));
    const fates = [leader, ...members];
    let line = `${leader.line} (${members.map((member) => member.line).join(" ")})`;
    let end = done;
    if (spec.release !== undefined) {
      const release = led ? this.fate(spec.release, done, NEVER, `${name}.release`) : never(spec.release, done);
      fates.push(release);
      line += ` ${release.line}`;
      end = release.end;
    }
    return this.#whole(fates, line, end, stop, () => ({ leader: leader.value, members: members.map(({ value }) => value) }));
  }

  // With `cancels` the first member that fails is the end of the others.
  #member({ members, cancels }: Group, index: number, start: number, stop: number, name: string): Fate {
    const alone = (i: number): Fate => this.fate(members[i]!, start, stop, `${name}.${i}`);
    if (!cancels) return alone(index);
    const ends = members.map((_, i) => alone(i)).map(({ status, end }) => (status === "failed" && end < stop ? end : NEVER));
    const first = Math.min(...ends);
    return ends[index] === first ? alone(index) : this.fate(members[index]!, start, Math.min(stop, first), `${name}.${index}`);
  }

  #deadline(plan: Spec, steps: number, start: number, stop: number, name: string): Fate {
    const passes = start + steps;
    this.moments.set(`${name} deadline`, passes);
    const fate = this.fate(plan, start, Math.min(stop, passes), `${name}.plan`);
    const line = (status: string): string => `${status}[${fate.line}]`;
    if (fate.status === "fulfilled") return { ...fate, line: line("fulfilled") };
    if (fate.status === "failed") return { ...fate, line: line(`failed:${codeOf(fate)}`) };
    if (passes < stop) return { status: "failed", line: line("failed:ETIME"), end: fate.end };
    return { ...fate, line: line(fate.status) };
  }

  #retry(plan: Spec, attempts: number, start: number, stop: number, name: string): Fate {
    const fates: Fate[] = [];
    let now = start;
    do {
      const fate = this.fate(plan, now, stop, `${name}#${fates.length}`);
      fates.push(fate);
      now = fate.end;
    } while (fates.at(-1)!.status === "failed" && fates.length < attempts && now < stop);
    const last = fates.at(-1)!;
    const status = last.status === "failed" ? `failed:${codeOf(last)}` : last.status;
    return { ...last, line: `${status}[${fates.map(({ line }) => line).join(" ")}]` };
  }

  // Failed when something in it failed before it was stopped, with the error of what did so first.
  #whole(fates: readonly Fate[], parts: string, end: number, stop: number, value: () => unknown): Fate {
    if (fates.every(({ status }) => status === "fulfilled")) return good(`fulfilled[${parts}]`, end, value());
    const failures = fates.filter((fate) => fate.status === "failed" && fate.end < stop);
    if (failures.length > 0) {
      const earliest = Math.min(...failures.map((fate) => fate.end));
      const codes = failures.filter((fate) => fate.end === earliest).flatMap((fate) => codeOf(fate).split("|"));
      return { status: "failed", line: `failed:${[...new Set(codes)].join("|")}[${parts}]`, end };
    }
    const status = fates.some((fate) => fate.status !== "unstarted") ? "cancelled" : "unstarted";
    return { status, line: `${status}[${parts}]`, end };
  }
}
