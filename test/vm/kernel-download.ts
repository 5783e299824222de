import { basename } from "node:path";
import type { Archive } from "./archive.ts";
import { VmError } from "./failure.ts";
import { listReleases, type Release } from "./releases.ts";
import type { Series } from "./series.ts";
import type { Session } from "./session.ts";

/** Downloads the newest release of the series that the mirror still holds whole, and returns its package files. */
export async function downloadKernel(
  session: Session,
  archive: Archive,
  series: Series,
  directory: string,
): Promise<{ release: Release; debs: string[] }> {
  const all = await listReleases(archive);
  const releases = all.filter((release) => release.series === series);
  if (releases.length === 0) throw new VmError(`The mirror has no kernel ${series} any more. It has ${seriesOf(all)}.`);
  let reason = "";
  for (const release of releases) {
    session.say(`Downloading kernel ${release.name}`);
    try {
      return { release, debs: await downloadRelease(archive, release, directory) };
    } catch (error) {
      session.signal.throwIfAborted();
      if (!(error instanceof VmError) || release.unlisted.length === 0) throw error;
      reason = error.message;
    }
  }
  throw new VmError(
    `The mirror lists releases of ${series}, but their modules have left its index and could not be had otherwise:\n${reason}\n` +
      `It has all of ${seriesOf(all.filter((release) => release.unlisted.length === 0))}.`,
  );
}

async function downloadRelease(archive: Archive, release: Release, directory: string): Promise<string[]> {
  const debs: string[] = [];
  for (const file of release.unlisted) {
    try {
      debs.push(await archive.downloadUnlisted(file, directory));
    } catch (error) {
      // linux-base names what is built in and in which order modules are preferred: a kernel runs without.
      if (!(error instanceof VmError && basename(file).startsWith("linux-base-"))) throw error;
    }
  }
  for (const one of release.listed) debs.push(await archive.download(one, directory));
  return debs;
}

function seriesOf(releases: readonly Release[]): string {
  return [...new Set(releases.map((release) => release.series))].reverse().join(", ");
}
