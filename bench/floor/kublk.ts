import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Archive, type ArchivePackage } from "../../test/vm/archive.ts";
import { cached, contentKey } from "../../test/vm/cache.ts";
import { VmError } from "../../test/vm/failure.ts";
import { run } from "../../test/vm/process.ts";
import type { Session } from "../../test/vm/session.ts";
import { ensureTools } from "../../test/vm/tools.ts";
import { compiled } from "./compile.ts";
import { newestOf, openFloorSession, unpackPackage, upstream } from "./debian.ts";
import { stage, staged, stagedNames, unstage } from "./staging.ts";

/** The kernel's own selftest server of ublk. */
export interface Kublk {
  readonly path: string;
  /** Of the kernel whose sources it was built from, "7.2" for example. */
  readonly series: string;
}

// As the kernel's Makefile has it, but static like the floor programs.
const FLAGS = ["-O3", "-static", "-pthread", "-D_GNU_SOURCE="];

const SOURCES = "tools/testing/selftests/ublk";
const HEADERS = "include/uapi/linux";

/** It lies among the server's files, and is a program of its own. */
const STRANGER = "metadata_size.c";

const PACKAGE = /^linux-source-(\d+\.\d+)$/;

/** The kernels whose sources have the server. */
const SINCE = ">=6.15.0";

// Raised when the layout changes, so that what an older recipe cached is not used.
const RECIPE = 1;

/** The package to build the server from: of the series of the kernel that it is to run on, or of the newest one there is. */
export function sourcePackage(packages: readonly ArchivePackage[], series: string): ArchivePackage | undefined {
  const suitable = packages.filter((one) => PACKAGE.test(one.name) && Bun.semver.satisfies(upstream(one), SINCE));
  const own = suitable.filter((one) => one.name === `linux-source-${series}`);
  return newestOf(own.length > 0 ? own : suitable);
}

/** The server for a kernel of that series, compiled from Debian's package of the kernel's sources; these stay in the cache. */
export async function kublk(series: string): Promise<Kublk> {
  await using session = openFloorSession();
  const directory = await cached(session, `kublk-${series}-${contentKey(RECIPE)}`, (draft) => unpack(session, series, draft));
  const [root = ""] = readdirSync(directory); // the sources' own folder, named as their package
  const sources = join(directory, root, SOURCES);
  const files = (extension: string): string[] => readdirSync(sources).filter((name) => name.endsWith(extension) && name !== STRANGER);
  const paths = (extension: string): string[] => files(extension).map((name) => join(sources, name));
  const includes = ["-I", join(directory, root, dirname(HEADERS))];
  const path = await compiled({ name: "kublk", flags: [...FLAGS, ...includes], sources: paths(".c"), headers: paths(".h") });
  return { path, series: PACKAGE.exec(root)?.[1] ?? root };
}

/** Of the kernel's whole source, the server's files and the header of the driver's commands: the toolchain's may be older. */
async function unpack(session: Session, series: string, draft: string): Promise<void> {
  await ensureTools(session);
  const archive = await Archive.open(session);
  const one = sourcePackage(await archive.search("linux-source-", PACKAGE), series);
  if (one === undefined) throw new VmError("The mirror has no sources (linux-source-X.Y) of Linux 6.15 or newer.");
  const tree = session.path("kernel-sources");
  mkdirSync(tree);
  await unpackPackage(session, archive, one, tree);
  const members = [SOURCES, `${HEADERS}/ublk_cmd.h`].map((path) => `${one.name}/${path}`);
  const tarball = join(tree, "usr/src", `${one.name}.tar.xz`);
  await run(["tar", "--extract", "--xz", "--file", tarball, "--directory", draft, ...members], { signal: session.signal });
}

const STAGED = /^kublk-(.*)$/;

/** Puts the server where {@link kublkInVm} finds it. A machine that cannot have it is told why, once, and goes without. */
export async function stageKublkForVm(series: string): Promise<void> {
  for (const name of stagedNames()) if (STAGED.test(name)) unstage(name);
  try {
    const one = await kublk(series);
    stage(one.path, `kublk-${one.series}`);
  } catch (error) {
    console.error(`bench: no rows against kublk, the kernel's selftest server: ${(error as Error).message}`);
  }
}

/** The staged copy, if there is one. */
export function kublkInVm(): Kublk | undefined {
  const [name, series] = stagedNames().flatMap((one) => STAGED.exec(one) ?? []);
  return name === undefined || series === undefined ? undefined : { path: staged(name), series };
}
