import { dirname, join } from "node:path";
import ts from "typescript";
import { ROOT } from "../support/child.ts";
import type { Example } from "./extract.ts";

/** The repository's own compiler options. */
export function compilerOptions(): ts.CompilerOptions {
  const path = join(ROOT, "tsconfig.json");
  const { config, error } = ts.readConfigFile(path, ts.sys.readFile);
  if (error !== undefined) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, "\n"));
  return ts.parseJsonConfigFileContent(config, ts.sys, dirname(path)).options;
}

/** Checks examples as modules of their own, in the repository's root but not on disk; answers complaints by example. */
export function typeErrors(examples: readonly Example[]): Map<Example, string[]> {
  const byName = new Map(examples.map((example, n) => [join(ROOT, `example-${n}.ts`), example]));
  // Examples are short: a name that is not used further is part of the explanation.
  const options = { ...compilerOptions(), noUnusedLocals: false, noUnusedParameters: false };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  const text = (name: string): string | undefined => {
    const example = byName.get(name);
    return example === undefined ? undefined : `${example.code}export {};\n`;
  };
  host.fileExists = (name) => byName.has(name) || fileExists.call(host, name);
  host.readFile = (name) => text(name) ?? readFile.call(host, name);
  host.getSourceFile = (name, ...rest) => {
    const code = text(name);
    return code === undefined ? getSourceFile.call(host, name, ...rest) : ts.createSourceFile(name, code, ts.ScriptTarget.ESNext, true);
  };
  const program = ts.createProgram([...byName.keys()], options, host);
  const errors = new Map<Example, string[]>();
  for (const [name, example] of byName) {
    const file = program.getSourceFile(name)!;
    const diagnostics = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    errors.set(
      example,
      diagnostics.map(({ start, messageText }) => {
        const line = example.line + (start === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line);
        return `${example.file}:${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
      }),
    );
  }
  return errors;
}
