import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cached, contentKey, trim } from "./cache.ts";
import { VmError } from "./failure.ts";
import { findMirror, type Mirror } from "./mirror.ts";
import { run } from "./process.ts";
import type { Session } from "./session.ts";

/** The Debian of the VM's root and of the programs we fetch for ourselves. */
export const SUITE = "trixie";

/** The suites that carry kernels with ublk. */
const SUITES = [SUITE, "trixie-backports", "forky"];

// Raised when the layout of the private apt changes, so that what an older recipe cached is not used.
const RECIPE = 1;

/** One package as the archive's signed index describes it. */
export interface ArchivePackage {
  readonly name: string;
  readonly version: string;
  /** Its path under the mirror's URI. */
  readonly file: string;
  readonly dependencies: string;
}

/**
 * The Debian archive through an apt of our own: its sources, lists and cache are in one directory, and the
 * machine's apt is neither read (but for the mirror and its proxies) nor changed.
 */
export class Archive {
  private constructor(
    readonly mirror: Mirror,
    private readonly session: Session,
    private readonly directory: string,
  ) {}

  /** Downloads the index of every suite, at most once in six hours unless it is wanted anew. */
  static async open(session: Session, anew = false): Promise<Archive> {
    const mirror = findMirror();
    const age = Math.floor(Date.now() / (6 * 3_600_000));
    const download = async (draft: string) => {
      session.say(`Reading the package index of ${SUITES.join(", ")}`);
      for (const folder of ["lists/partial", "cache/archives/partial", "parts"]) mkdirSync(join(draft, folder), { recursive: true });
      writeFileSync(join(draft, "parts/debian.sources"), sourcesFile(mirror));
      writeFileSync(join(draft, "status"), "");
      await update(session, draft);
    };
    const directory = await cached(session, `index-${contentKey(RECIPE, mirror, SUITES, age)}`, download, {
      anew,
    });
    trim("index-", 1);
    return new Archive(mirror, session, directory);
  }

  /** The packages whose names match, in all suites and all versions. */
  async search(prefix: string, pattern: RegExp): Promise<ArchivePackage[]> {
    const { signal } = this.session;
    const known = await run([...apt("apt-cache", this.directory), "pkgnames", prefix], { signal });
    const names = known.stdout.split("\n").filter((name) => pattern.test(name));
    if (names.length === 0) return [];
    // Names that only other packages' dependencies mention have no record: apt-cache says so with status 100.
    const shown = await run([...apt("apt-cache", this.directory), "show", ...names], {
      signal,
      accept: [100],
    });
    return shown.stdout.split(/\n\n+/).flatMap((record) => {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(record)?.[1] ?? "";
      if (field("Package") === "") return [];
      return [
        {
          name: field("Package"),
          version: field("Version"),
          file: field("Filename"),
          dependencies: field("Depends"),
        },
      ];
    });
  }

  /** Downloads one listed package; apt checks it against the signed index. */
  async download(one: ArchivePackage, directory: string): Promise<string> {
    await run([...apt("apt-get", this.directory), "download", `${one.name}=${one.version}`], {
      cwd: directory,
      signal: this.session.signal,
    });
    const [architecture = "amd64"] = /[^_]+(?=\.deb$)/.exec(one.file) ?? [];
    return join(directory, `${one.name}_${one.version.replace(":", "%3a")}_${architecture}.deb`);
  }

  /** Downloads packages of one suite with everything they depend on, and returns the files. */
  async downloadClosure(names: readonly string[], suite: string, directory: string): Promise<string[]> {
    mkdirSync(join(directory, "partial"), { recursive: true });
    const where = ["-o", `Dir::Cache::Archives=${directory}`, "-o", `APT::Default-Release=${suite}`];
    const install = ["install", "--download-only", "--yes", "--no-install-recommends", ...names];
    await run([...apt("apt-get", this.directory), ...where, ...install], { signal: this.session.signal });
    return readdirSync(directory)
      .filter((name) => name.endsWith(".deb"))
      .map((name) => join(directory, name));
  }

  /** Downloads a file that the mirror still holds but no index lists any more: nothing vouches for its content. */
  async downloadUnlisted(file: string, directory: string): Promise<string> {
    const target = join(directory, basename(file));
    const uri = `${this.mirror.uri}/${file}`;
    await run(["/usr/lib/apt/apt-helper", ...options(this.directory), "download-file", uri, target], {
      signal: this.session.signal,
    });
    return target;
  }
}

/** A mirror that lacks one of the suites still serves for the others. */
async function update(session: Session, directory: string): Promise<void> {
  const { status, stderr } = await run([...apt("apt-get", directory), "update"], {
    signal: session.signal,
    accept: [100],
  });
  if (status === 0) return;
  const lists = readdirSync(join(directory, "lists")).filter((name) => /_Packages(\.\w+)?$/.test(name));
  if (lists.length === 0)
    throw new VmError(
      `apt-get cannot read the mirror's index:\n${stderr.trim()}\n` +
        "If it lacks a key for a newer Debian, a newer debian-archive-keyring package brings it.",
    );
  session.say(`Part of the mirror's index could not be read:\n${stderr.trim()}`);
}

function sourcesFile(mirror: Mirror): string {
  return `Types: deb\nURIs: ${mirror.uri}\nSuites: ${SUITES.join(" ")}\nComponents: main\nArchitectures: amd64\nSigned-By: ${mirror.signedBy}\n`;
}

function apt(program: "apt-get" | "apt-cache", directory: string): string[] {
  return [program, ...options(directory)];
}

function options(directory: string): string[] {
  const settings: Record<string, string> = {
    "Dir::Etc::sourcelist": "/dev/null",
    "Dir::Etc::sourceparts": join(directory, "parts"),
    "Dir::State::Lists": join(directory, "lists"),
    // The host's installed packages are no candidates.
    "Dir::State::status": join(directory, "status"),
    // Nothing here is installed, and two runs may download at a time.
    "Debug::NoLocking": "true",
    "Dir::Cache": join(directory, "cache"),
    "Dir::Cache::pkgcache": "pkgcache.bin", // container images switch this off, and each call then takes seconds
    "APT::Architecture": "amd64",
    "APT::Architectures": "amd64",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    // apt's own unprivileged user cannot write under a home directory.
    "APT::Sandbox::User": "",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}
