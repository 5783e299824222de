import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, run } from "./repo.ts";

const ENTRIES = ["uring-ublk", "uring-ublk/uring", "uring-ublk/ublk", "uring-ublk/ffi", "uring-ublk/targets"];
const BUILD_TIMEOUT_MS = 120_000;

const temp = mkdtempSync(join(tmpdir(), "uring-ublk-pack-"));
const project = join(temp, "project");
const bun = process.execPath;
const bin = (name: string): string => join(ROOT, "node_modules/.bin", name);

/** npm is the reference; a machine with Bun alone packs with Bun. */
async function pack(): Promise<string> {
  if (Bun.which("npm") !== null) await run(["npm", "pack", "--ignore-scripts", "--pack-destination", temp]);
  else await run([bun, "pm", "pack", "--ignore-scripts", "--destination", temp]);
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  return join(temp, `uring-ublk-${version}.tgz`);
}

/** One line per entry: an import of everything, and of one name that must be there as a type, too. */
function sourceThatUsesEveryEntry(): string {
  const imports = ENTRIES.map((entry, index) => `import * as entry${index} from "${entry}";`);
  const names = ENTRIES.map((_, index) => `entry${index}`);
  return `${imports.join("\n")}\nexport const names: string[] = [${names.join(", ")}].flatMap((e) => Object.keys(e));\n`;
}

describe("the package as a user gets it", () => {
  let tarball = "";
  let listing: string[] = [];

  beforeAll(async () => {
    await run([bun, "run", "--bun", "tsup"]);
    tarball = await pack();
    listing = (await run(["tar", "-tzf", tarball])).trim().split("\n");
    await run(["mkdir", project]);
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "user", type: "module", private: true }));
    await run([bun, "add", tarball], project);
  }, BUILD_TIMEOUT_MS);

  afterAll(() => rmSync(temp, { recursive: true, force: true }));

  test("contains the build and the papers, and nothing else", () => {
    const strangers = listing.filter(
      (path) =>
        !/^package\/(dist\/.+|systemd\/uring-ublk(-nodes)?@\.service|udev\/60-uring-ublk\.rules|package\.json|LICENSE|README\.md|CHANGELOG\.md)$/.test(
          path,
        ),
    );
    expect(strangers).toEqual([]);
    for (const file of ["index.js", "index.d.ts", "ublk-worker.js", "cli.js"]) {
      expect(listing).toContain(`package/dist/${file}`);
    }
    expect(listing).toContain("package/systemd/uring-ublk@.service");
    expect(listing).toContain("package/systemd/uring-ublk-nodes@.service");
    expect(listing).toContain("package/udev/60-uring-ublk.rules");
    expect(listing).toContain("package/LICENSE");
    expect(listing).toContain("package/README.md");
    expect(listing).toContain("package/CHANGELOG.md");
  });

  test("lies flat in dist, so that a chunk finds the Worker file beside itself", () => {
    expect(listing.filter((path) => /^package\/dist\/.*\//.test(path))).toEqual([]);
  });

  test("brings no dependency along", async () => {
    const installed = await run(["ls", join(project, "node_modules")]);
    expect(installed.trim()).toBe("uring-ublk");
  });

  test.each(ENTRIES)("imports %s", async (entry) => {
    const code = `const m = await import(${JSON.stringify(entry)}); console.log(Object.keys(m).length)`;
    expect(Number(await run([bun, "-e", code], project))).toBeGreaterThan(0);
  });

  test(
    "has types that a strict project with node_modules resolution accepts",
    async () => {
      writeFileSync(join(project, "use.ts"), sourceThatUsesEveryEntry());
      const compilerOptions = {
        strict: true,
        noEmit: true,
        target: "esnext",
        module: "nodenext",
        moduleResolution: "nodenext",
        skipLibCheck: false,
        types: ["bun-types"],
        typeRoots: [join(ROOT, "node_modules")],
      };
      writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
      await run([bun, "--bun", bin("tsc"), "-p", project]);
    },
    BUILD_TIMEOUT_MS,
  );

  test("installs a command that says what it does", async () => {
    const help = await run([join(project, "node_modules/.bin/uring-ublk"), "--help"], project);
    expect(help).toContain("uring-ublk");
  });
});
