import type { Archive, ArchivePackage } from "./archive.ts";
import { SERIES, type Series } from "./series.ts";

/** One Debian build of a kernel, and the packages it consists of. */
export interface Release {
  readonly series: Series;
  /** What `uname -r` will say. */
  readonly name: string;
  readonly version: string;
  readonly listed: readonly ArchivePackage[];
  /** Paths under the mirror's URI of packages that the listed ones need but that have left the index. */
  readonly unlisted: readonly string[];
}

const KERNEL_PACKAGE = /^linux-(?:image|binary|binary-unsigned)-((\d+\.\d+)\.(\d+)\+deb(\d+)-cloud-amd64)$/;
const PART_PACKAGE = /^linux-(?:base|modules)-\d+\.\d+\.\d+\+deb\d+-cloud-amd64$/;

/** Every kernel release the archive lists, the newest of each series first. */
export async function listReleases(archive: Archive): Promise<Release[]> {
  const packages = await archive.search("linux-", new RegExp(`${KERNEL_PACKAGE.source}|${PART_PACKAGE.source}`));
  const byName = new Map(packages.map((one) => [one.name, one]));
  const names = new Set(packages.flatMap((one) => KERNEL_PACKAGE.exec(one.name)?.[1] ?? []));
  return [...names].flatMap((name) => describe(name, byName) ?? []).sort(newestFirst);
}

/**
 * Debian divides a kernel in three ways: all in linux-image (to 6.17), the build's data apart in linux-base
 * (6.18), and since 6.19 linux-binary with the kernel, linux-modules and linux-base, where a release too fresh
 * to be signed has linux-binary-unsigned. The index drops linux-base and linux-modules of superseded releases
 * but keeps the signed packages; the mirror's pool holds the files for a good while longer.
 */
function describe(name: string, byName: ReadonlyMap<string, ArchivePackage>): Release | undefined {
  const series = SERIES.find((one) => name.startsWith(`${one}.`));
  const image = byName.get(`linux-image-${name}`);
  const binary = byName.get(`linux-binary-${name}`) ?? byName.get(`linux-binary-unsigned-${name}`);
  const kernel = binary ?? image;
  if (series === undefined || kernel === undefined) return undefined;
  const wanted =
    binary !== undefined
      ? [`linux-base-${name}`, `linux-modules-${name}`]
      : kernel.dependencies.includes(`linux-base-${name} `)
        ? [`linux-base-${name}`]
        : [];
  const parts = wanted.map((part) => byName.get(part) ?? `pool/main/l/linux/${part}_${kernel.version}_amd64.deb`);
  return {
    series,
    name,
    version: kernel.version,
    listed: [kernel, ...parts.filter((part) => typeof part !== "string")],
    unlisted: parts.filter((part) => typeof part === "string"),
  };
}

function newestFirst(a: Release, b: Release): number {
  const [aSeries, aPatch, aDebian] = order(a);
  const [bSeries, bPatch, bDebian] = order(b);
  // For the same kernel the build of the older Debian goes first: it is of the root image's own suite.
  return bSeries - aSeries || bPatch - aPatch || aDebian - bDebian;
}

function order(release: Release): [series: number, patch: number, debian: number] {
  const [, patch = "0", debian = "0"] = /^\d+\.\d+\.(\d+)\+deb(\d+)/.exec(release.name) ?? [];
  return [SERIES.indexOf(release.series), Number(patch), Number(debian)];
}
