import { Archive } from "./archive.ts";
import { listReleases } from "./releases.ts";
import { SERIES } from "./series.ts";
import { openSession } from "./session.ts";

/** What the mirror has of each series, one line for the newest release and one for the others. */
export async function describeKernels(signal: AbortSignal): Promise<string> {
  await using session = openSession(signal, () => {});
  const releases = await listReleases(await Archive.open(session));
  const lines = SERIES.flatMap((series) => {
    const [newest, ...older] = releases.filter((release) => release.series === series);
    if (newest === undefined) return [`${series}  no longer in the mirror`];
    const note = newest.unlisted.length > 0 ? "  (parts have left the index; in the mirror's pool for a while yet)" : "";
    const others = older.map((release) => release.version).join(", ");
    return [`${series}  ${newest.version}${note}`, ...(others === "" ? [] : [`      also ${others}`])];
  });
  return `${lines.join("\n")}\n`;
}
