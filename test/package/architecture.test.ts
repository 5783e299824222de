import { describe, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { ROOT, run, trackedFiles } from "./repo.ts";

const FILE_BYTES_MAX = 14 * 1024;

/** What each room of src/ may import, besides itself. Arrows go one way; index.ts is the public face of all. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  ffi: [],
  uring: ["ffi"],
  ublk: ["uring", "ffi"],
  targets: ["ublk", "uring", "ffi", "index.ts"],
  cli: ["targets", "ublk", "uring", "ffi", "index.ts"],
};

interface Source {
  readonly path: string;
  readonly text: string;
  /** The code with comments taken away: a mention is not a use. */
  readonly code: string;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

const tracked = await trackedFiles();
const sources: Source[] = tracked
  .filter((path) => path.startsWith("src/") && path.endsWith(".ts"))
  .map((path) => {
    const text = readFileSync(join(ROOT, path), "utf8");
    return { path, text, code: withoutComments(text) };
  });

function importsOf({ code }: Source): string[] {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)["']([^"']+)["']/g;
  return [...code.matchAll(pattern)].map((match) => match[1]!);
}

const room = (path: string): string => path.split("/")[1]!;

/** The room that an import leads to, or undefined for a module of Bun or Node. */
function target(source: Source, specifier: string): string | undefined {
  if (specifier === "uring-ublk") return "index.ts";
  if (specifier.startsWith("uring-ublk/")) return specifier.split("/")[1]!;
  if (specifier.startsWith(".")) return room(normalize(join(dirname(source.path), specifier)));
  return undefined;
}

describe("the architecture of src/", () => {
  test("has files to look at", () => {
    expect(sources.length).toBeGreaterThan(0);
  });

  test("only src/ffi imports bun:ffi", () => {
    const offenders = sources.filter((s) => room(s.path) !== "ffi" && importsOf(s).includes("bun:ffi"));
    expect(offenders.map((s) => s.path)).toEqual([]);
  });

  test("imports follow the arrows cli, targets -> ublk -> uring -> ffi", () => {
    const offenders: string[] = [];
    for (const source of sources.filter((s) => s.path !== "src/index.ts")) {
      const from = room(source.path);
      for (const specifier of importsOf(source)) {
        const to = target(source, specifier);
        const fine = to === undefined || to === from || (MAY_IMPORT[from] ?? []).includes(to);
        if (!fine) offenders.push(`${source.path} imports ${specifier}`);
      }
    }
    expect(offenders).toEqual([]);
  });

  test("imports only Bun's and Node's own modules besides", () => {
    const offenders = sources.flatMap((source) =>
      importsOf(source)
        .filter((specifier) => target(source, specifier) === undefined && !/^(bun|node):|^bun$/.test(specifier))
        .map((specifier) => `${source.path} imports ${specifier}`),
    );
    expect(offenders).toEqual([]);
  });

  test(`has no file larger than ${FILE_BYTES_MAX} bytes`, () => {
    const large = sources.filter((s) => s.text.length > FILE_BYTES_MAX).map((s) => `${s.path} ${s.text.length}`);
    expect(large).toEqual([]);
  });

  test("knows no `any`", () => {
    const offenders = sources.flatMap(({ path, code }) =>
      code
        .split("\n")
        .filter((line) => /[:<,|&(=]\s*any\b|\bas any\b|\bany\[\]/.test(line.replace(/(["'`]).*?\1/g, '""')))
        .map((line) => `${path}: ${line.trim()}`),
    );
    expect(offenders).toEqual([]);
  });
});

/** The hosts this machine installs packages from. They are the machine's business, not the repository's. */
async function registryHosts(): Promise<string[]> {
  const urls = ["NPM_CONFIG_REGISTRY", "npm_config_registry", "BUN_CONFIG_REGISTRY"].map((key) => process.env[key]);
  if (Bun.which("npm") !== null) urls.push((await run(["npm", "config", "get", "registry"])).trim());
  return [...new Set(urls.flatMap((url) => (url && URL.canParse(url) ? [new URL(url).host] : [])))];
}

describe("the repository", () => {
  test("names no package registry in any file", async () => {
    const hosts = await registryHosts();
    if (Bun.which("npm") !== null) expect(hosts.length).toBeGreaterThan(0);
    const offenders = tracked.filter((path) => {
      const full = join(ROOT, path);
      if (statSync(full, { throwIfNoEntry: false })?.isFile() !== true) return false;
      const text = readFileSync(full, "latin1");
      return hosts.some((host) => text.includes(host));
    });
    expect(offenders).toEqual([]);
  });

  test("has a lock file that says nowhere where a package came from", () => {
    const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
      packages: Record<string, { resolved?: string }>;
    };
    const resolved = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined);
    expect(resolved.map(([name]) => name)).toEqual([]);
  });

  test("pins its development dependencies exactly, and has no other dependency", () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Record<string, unknown>;
    expect(manifest.dependencies).toBeUndefined();
    const pinned = Object.values(manifest.devDependencies as Record<string, string>);
    expect(pinned.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
