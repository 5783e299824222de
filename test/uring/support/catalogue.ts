import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../support/child.ts";

/** What tests must know of a declared operation. */
export interface Declared {
  readonly name: string;
  readonly opcode: number;
  readonly syscall: string;
  readonly since: string;
  readonly completions: "one" | "many" | "notify";
  readonly options: readonly string[];
  readonly needs?: string;
  readonly severs?: true | "short";
  readonly raw: unknown;
}

const isDeclaration = (value: unknown): value is Declared =>
  typeof value === "object" && value !== null && "opcode" in value && "raw" in value;

export const OPS = join(ROOT, "src/uring/ops");

/** Every operation that is declared, by the file that declares it. */
export const declared: Declared[] = [];
for (const file of readdirSync(OPS)) declared.push(...Object.values<unknown>(await import(join(OPS, file))).filter(isDeclaration));

/** A line of docs/operations.md. */
export interface Row {
  readonly name: string;
  readonly opcode: string;
  readonly syscall: string;
  readonly since: string;
  readonly result: string;
  readonly link: string;
}

/** The manual's page of operations. */
export const rows: readonly Row[] = readFileSync(join(ROOT, "docs/operations.md"), "utf8")
  .split("\n")
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .filter(([, name]) => name?.startsWith("`") === true)
  .map(([, name = "", opcode = "", syscall = "", since = "", result = "", link = ""]) => ({
    name: name.replaceAll("`", ""),
    opcode,
    syscall,
    since,
    result,
    link,
  }));

/** What is written at an operation: its docstring, without its example, in one line; and the example. */
export interface Docstring {
  readonly name: string;
  readonly prose: string;
  readonly example: string;
}

/** The docstrings of the exported functions of src/uring/ops. */
export const docstrings: readonly Docstring[] = readdirSync(OPS).flatMap((file) => {
  const text = readFileSync(join(OPS, file), "utf8");
  return [...text.matchAll(/\/\*\*\n((?: \*.*\n)+?) \*\/\nexport (?:const|function) (\w+)/g)].map(([, comment = "", name = ""]) => {
    const [prose = "", example = ""] = comment.split("@example");
    return { name, prose: prose.replaceAll(/\s*\n? \* ?/g, " ").trim(), example };
  });
});
