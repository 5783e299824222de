/**
 * `npm run build:executable`: the command as one file, which needs neither Bun nor this package where it runs.
 *   npm run build:executable -- [--out FILE]
 *
 * Workers and their targets are loaded by URL, from beside the command's own file. So they are entry points of the executable, all in one folder
 * as in dist/: each is a file of a line here, by the name that it has there.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { EXECUTABLE } from "./building/entries.ts";

const root = join(import.meta.dir, "..");
const { values } = parseArgs({ options: { out: { type: "string", default: join(root, "dist", "uring-ublk") } } });
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const folder = mkdtempSync(join(tmpdir(), "uring-ublk-executable-"));

/** A program is run, a target passed on. A plain import would be left out: the package says that its modules do nothing by themselves. */
function lineFor(name: string, source: string): string {
  const path = JSON.stringify(join(root, source));
  return name.startsWith("target-") ? `export { default } from ${path};\n` : `await import(${path});\n`;
}

try {
  const entries = EXECUTABLE.map(([name, source]) => {
    const entry = join(folder, `${name}.ts`);
    writeFileSync(entry, lineFor(name, source));
    return entry;
  });
  const defined = `URING_UBLK_VERSION=${JSON.stringify(version)}`;
  const child = Bun.spawn(
    [process.execPath, "build", "--compile", "--minify-whitespace", "--define", defined, ...entries, "--outfile", resolve(values.out)],
    {
      cwd: folder,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  process.exitCode = await child.exited;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
