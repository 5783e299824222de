// runs on: the sources
/** The catalogue is complete: every opcode, register operation and flag of the header has its place, its test and its line in the manual. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as uring from "uring-ublk/uring";
import { ROOT } from "../support/child.ts";
import { type Declared, declared, docstrings, rows } from "./support/catalogue.ts";

const { abi, FEATURES, RawRing } = uring;

/** The opcodes, without the count of them. */
const OPCODES = Object.entries(abi).filter(([name]) => name.startsWith("IORING_OP_") && name !== "IORING_OP_LAST");
const NAMES = [...new Set(declared.map(({ name }) => name))];
/** What only the raw layer has: a link timeout is meaningless outside of a link. */
const RAW_ONLY = ["linkTimeout"];

const text = (folder: string, names: RegExp): string =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => names.test(path))
    .map((path) => readFileSync(join(ROOT, folder, path), "utf8"))
    .join("\n");

const older = (a: string, b: string): number => {
  const [[a0, a1], [b0, b1]] = [a, b].map((version) => version.split(".").map(Number)) as [[number, number], [number, number]];
  return a0 - b0 || a1 - b1;
};

describe("the catalogue", () => {
  test("has every opcode of the header", () => {
    const known = new Set(declared.map(({ opcode }) => opcode));
    expect(OPCODES.length).toBe(abi.IORING_OP_LAST);
    expect(OPCODES.filter(([, opcode]) => !known.has(opcode as number)).map(([name]) => name)).toEqual([]);
  });

  test("has each operation on both layers, from one declaration", () => {
    const writers = new Set(Object.values(Object.getOwnPropertyDescriptors(RawRing.prototype)).map(({ value }) => value as unknown));
    expect(declared.filter(({ raw }) => !writers.has(raw)).map(({ name }) => name)).toEqual([]);
    const described = new Map<string, unknown>(Object.entries(uring));
    expect(NAMES.filter((name) => typeof described.get(name) !== "function")).toEqual(RAW_ONLY);
  });

  test("has the bytes of each operation under test", () => {
    const tests = text("test/uring", /^encoding.*\.test\.ts$/);
    expect(NAMES.filter((name) => !new RegExp(`\\b${name}\\(`).test(tests))).toEqual([]);
  });

  test("has every register operation of the header", () => {
    const calls = Object.keys(abi).filter((name) => /^IORING_(UN)?REGISTER_/.test(name) && name !== "IORING_REGISTER_LAST");
    const source = text("src/uring", /^(register\/.*|probe|resize)\.ts$/);
    expect(calls.filter((name) => !new RegExp(`\\b${name}\\b`).test(source))).toEqual([]);
  });

  test("says of every flag since when there is one", () => {
    const kinds =
      /^(IORING_(SETUP|FEAT|ENTER|REGISTER|UNREGISTER|FSYNC|TIMEOUT|LINK_TIMEOUT|POLL|ASYNC_CANCEL|RECVSEND|RECV|SEND|ACCEPT|MSG_RING|FIXED_FD|NOP|URING_CMD)_|IOSQE_|SOCKET_URING_OP_|SPLICE_F_)/;
    const others = [
      "IORING_POLL_ADD_LEVEL", // in the header only: EINVAL
      "IORING_REGISTER_SRC_REGISTERED", // came with IORING_REGISTER_CLONE_BUFFERS
    ];
    const flags = Object.keys(abi).filter((name) => kinds.test(name) && !/(_LAST|_BIT|_MASK)$/.test(name));
    expect(flags.filter((name) => !(name in FEATURES))).toEqual(others);
  });
});

describe("the manual's page of operations", () => {
  test("has one line for each", () => {
    expect(rows.map(({ name }) => name).sort()).toEqual([...NAMES].sort());
  });

  test("says what the declarations say", () => {
    for (const { name, opcode, syscall, since } of rows) {
      const forms = declared.filter((declaration) => declaration.name === name).sort((a, b) => older(a.since, b.since));
      const [first] = forms as [Declared];
      expect({ name, opcode: abi[`IORING_OP_${opcode}` as keyof typeof abi] as unknown, syscall: syscall || "none", since }).toEqual({
        name,
        opcode: first.opcode,
        syscall: first.syscall,
        since: first.since,
      });
    }
  });

  test("calls what completes many times an iteration, and lets nothing without a result or a link's rule pass", () => {
    for (const { name, result, link } of rows) {
      const many = declared.find((declaration) => declaration.name === name)!.completions === "many";
      expect({ name, iteration: result.startsWith("iteration") }).toEqual({ name, iteration: many });
      expect(result.length * link.length).toBeGreaterThan(0);
    }
  });
});

describe("the documentation of an operation", () => {
  /** What it must say, and how that is recognised. An operation that is like another one may leave to that one what is the same. */
  const PARTS: readonly [part: string, said: RegExp][] = [
    ["the opcode", /`IORING_OP_[A-Z0-9_]+`/],
    ["since which kernel", /\bsince \d\.\d+/],
    ["what it resolves to", /\b[Rr]esolves? to\b|async iterable/],
    ["its errors", /Errors: /],
    ["what it does in a link", /\blinks?\b|\bchain\b/],
    [
      "how long memory must live",
      /[Nn]o memory|[Mm]emory|pinned|copied|belongs? to the kernel|as long as the group|outlive|valid until|operation's own until/,
    ],
  ];
  const written = new Map(docstrings.map((docstring) => [docstring.name, docstring]));

  for (const name of [...NAMES, "cancelFd"]) {
    if (RAW_ONLY.includes(name)) continue;
    test(`is complete: ${name}`, () => {
      const { prose, example } = written.get(name)!;
      expect(PARTS.filter(([, said]) => !said.test(prose)).map(([part]) => part)).toEqual([]);
      // Executed by test/docs/examples.test.ts, which compares what is printed with what the comment promises.
      expect(example).toContain("```ts\n");
      expect(example).toMatch(/console\.log\(/);
    });
  }

  test("names the system call that it equals, or says that there is none", () => {
    const silent = declared.filter(({ name, syscall }) => {
      if (RAW_ONLY.includes(name)) return false;
      const { prose } = written.get(name)!;
      const said =
        syscall === "none" || syscall === "timerfd"
          ? /[Nn]o system call does it|[Nn]othing else does it|[Aa]s \{@link|timerfd|^(Removes|Ends|Changes|Gives|Puts|Has) /
          : new RegExp(`\\b${syscall.replace(/[()]/g, "\\$&")}|[Aa]s \\{@link|\\w+\\(2\\)`);
      return !said.test(prose);
    });
    expect(silent.map(({ name, syscall }) => `${name}: ${syscall}`)).toEqual([]);
  });

  test("says since which kernel as the declaration does", () => {
    for (const { name } of rows) {
      if (RAW_ONLY.includes(name)) continue;
      const versions = [...written.get(name)!.prose.matchAll(/\d\.\d+/g)].map(([version]) => version);
      const { since } = declared.filter((declaration) => declaration.name === name).sort((a, b) => older(a.since, b.since))[0]!;
      expect({ name, since: versions.includes(since) ? since : versions }).toEqual({ name, since });
    }
  });
});
