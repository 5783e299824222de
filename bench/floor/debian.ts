import { mkdirSync } from "node:fs";
import type { Archive, ArchivePackage } from "../../test/vm/archive.ts";
import { run } from "../../test/vm/process.ts";
import { openSession, type Session } from "../../test/vm/session.ts";

/** A session for what the benchmarks fetch and build for themselves. */
export function openFloorSession(): Session {
  return openSession(new AbortController().signal, (message) => console.error(`bench: ${message}`));
}

/** Downloads a package and unpacks it into `tree`. */
export async function unpackPackage(session: Session, archive: Archive, one: ArchivePackage, tree: string): Promise<void> {
  session.say(`Downloading ${one.name} ${one.version}, for the C programs to compare with`);
  const downloads = session.path(`download-${one.name}`);
  mkdirSync(downloads);
  const deb = await archive.download(one, downloads);
  await run(["dpkg-deb", "--extract", deb, tree], { signal: session.signal });
}

/** The one with the highest version of the program that is packaged; what Debian appends does not count. */
export function newestOf(packages: readonly ArchivePackage[]): ArchivePackage | undefined {
  return packages.toSorted((a, b) => Bun.semver.order(upstream(b), upstream(a)))[0];
}

/** "2.15.0" of "2.15-1", "7.3.4" of "7.3.4-1~bpo13+1". */
export function upstream({ version }: ArchivePackage): string {
  const [major = "0", minor = "0", patch = "0"] = /^\d+(\.\d+)*/.exec(version)?.[0].split(".") ?? [];
  return `${major}.${minor}.${patch}`;
}
