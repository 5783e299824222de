/** A file on a web server, read in ranges. */
export interface RemoteFile {
  readonly size: number;
  /** Its bytes; all of them, or an error. */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
}

/** A disk's client waits for as long as this, and gets an error then. */
const LIMIT_MS = 30_000;
/** A compressed range would be a range of something else. */
const PLAIN = { "Accept-Encoding": "identity" };

/** Asks the server for the file's size, and whether it answers ranges. */
export async function remoteFile(url: string): Promise<RemoteFile> {
  const answer = await fetch(url, {
    method: "HEAD",
    headers: PLAIN,
    signal: AbortSignal.timeout(LIMIT_MS),
  }).catch((cause: Error) => {
    throw new Error(`${url} cannot be reached: ${cause.message}`, { cause });
  });
  if (!answer.ok) throw new Error(`${url} answers HEAD with ${answer.status} ${answer.statusText}`);
  if (answer.headers.get("Accept-Ranges") !== "bytes")
    throw new Error(`${url} cannot be read in parts: the server does not say "Accept-Ranges: bytes"`);
  const size = Number(answer.headers.get("Content-Length") ?? 0);
  if (!Number.isSafeInteger(size) || size <= 0) throw new Error(`${url} has no contents, or the server does not tell its Content-Length`);
  const tag = answer.headers.get("ETag");
  // A file that is replaced while it is mounted must not be mixed with the old one.
  const same: Record<string, string> = tag === null || tag.startsWith("W/") ? {} : { "If-Match": tag };

  return {
    size,
    async read(offset, length, signal) {
      const last = offset + length - 1;
      const part = await fetch(url, {
        headers: { ...PLAIN, ...same, Range: `bytes=${offset}-${last}` },
        signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
      });
      if (part.status !== 206) {
        await part.body?.cancel();
        throw new Error(
          `${url}: bytes ${offset}-${last} are answered with ${part.status} ${part.statusText}${part.status === 412 ? " (the file has changed)" : ""}`,
        );
      }
      const bytes = new Uint8Array(await part.arrayBuffer());
      if (bytes.length !== length) throw new Error(`${url}: bytes ${offset}-${last} are answered with ${bytes.length} bytes`);
      return bytes;
    },
  };
}
