import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import ts from "typescript";
import { ROOT } from "../support/child.ts";
import { compilerOptions } from "./typecheck.ts";

/** The entries of the package, by the name they are imported with. */
export const ENTRIES: Readonly<Record<string, string>> = {
  "uring-ublk": "src/index.ts",
  "uring-ublk/uring": "src/uring/index.ts",
  "uring-ublk/ublk": "src/ublk/index.ts",
  "uring-ublk/ffi": "src/ffi/index.ts",
  "uring-ublk/targets": "src/targets/index.ts",
};

/** A name that somebody who imports an entry can see. */
export interface PublicName {
  /** `uring-ublk/ffi: sys.open`. */
  readonly name: string;
  readonly where: string;
  readonly documented: boolean;
}

const KERNEL_NAME = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;

function hasTag(symbol: ts.Symbol, tag: string): boolean {
  return symbol.getJsDocTags().some(({ name }) => name === tag);
}

function ours(declaration: ts.Declaration | undefined): declaration is ts.Declaration {
  if (declaration === undefined) return false;
  const path = declaration.getSourceFile().fileName;
  return (
    path.startsWith(join(ROOT, "src")) &&
    (ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) === 0
  );
}

class Collector {
  readonly found: PublicName[] = [];
  readonly #seen = new Set<ts.Symbol>();

  constructor(readonly checker: ts.TypeChecker) {}

  entry(name: string, file: ts.SourceFile): void {
    for (const symbol of this.checker.getExportsOfModule(this.checker.getSymbolAtLocation(file)!)) this.#add(name, symbol);
  }

  #add(prefix: string, exported: ts.Symbol): void {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(exported) : exported;
    const declaration = symbol.declarations?.[0];
    if (this.#seen.has(symbol) || !ours(declaration) || hasTag(symbol, "internal")) return;
    this.#seen.add(symbol);
    // `export * as abi`: constants under the kernel's own names, explained by the kernel's own documentation.
    if (symbol.flags & ts.SymbolFlags.ValueModule) return;
    const name = `${prefix}: ${exported.name}`;
    if (!KERNEL_NAME.test(exported.name)) this.#note(name, symbol, declaration);
    if (symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)) this.#members(name, this.checker.getDeclaredTypeOfSymbol(symbol));
    else if (symbol.flags & ts.SymbolFlags.Variable) {
      const type = this.checker.getTypeOfSymbol(symbol);
      if (type.getCallSignatures().length === 0 && type.flags & ts.TypeFlags.Object) this.#members(name, type);
    }
  }

  #members(prefix: string, type: ts.Type): void {
    for (const member of this.checker.getPropertiesOfType(type)) {
      const declaration = member.declarations?.[0];
      if (!ours(declaration) || member.name.startsWith("#") || member.name.startsWith("__") || hasTag(member, "internal")) continue;
      if (this.#seen.has(member)) continue;
      this.#seen.add(member);
      if (!KERNEL_NAME.test(member.name)) this.#note(`${prefix}.${member.name}`, member, declaration);
    }
  }

  #note(name: string, symbol: ts.Symbol, declaration: ts.Declaration): void {
    const file = declaration.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(declaration.getStart());
    this.found.push({
      name,
      where: `${relative(ROOT, file.fileName)}:${line + 1}`,
      documented: symbol.getDocumentationComment(this.checker).length > 0,
    });
  }
}

/** Every public name of every entry that exists, members of classes and interfaces included. */
export function publicNames(): PublicName[] {
  const files = Object.entries(ENTRIES).filter(([, path]) => existsSync(join(ROOT, path)));
  const program = ts.createProgram(
    files.map(([, path]) => join(ROOT, path)),
    compilerOptions(),
  );
  const collector = new Collector(program.getTypeChecker());
  // The root entry re-exports the others: a name is told under the most special one.
  for (const [name, path] of files.reverse()) collector.entry(name, program.getSourceFile(join(ROOT, path))!);
  return collector.found;
}
