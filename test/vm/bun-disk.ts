import { copyFileSync, mkdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { cached, contentKey, trim } from "./cache.ts";
import { FORMAT, imageMegabytes, makeImage } from "./disk-image.ts";
import type { Session } from "./session.ts";

/** A disk with the very Bun that runs this program, made once per version of it. */
export async function ensureBunDisk(session: Session): Promise<string> {
  const binary = realpathSync(process.execPath);
  const { size, mtimeMs } = statSync(binary);
  const directory = await cached(
    session,
    `bun-${Bun.version}-${contentKey(FORMAT, Bun.revision, binary, size, mtimeMs)}`,
    async (draft) => {
      const tree = join(draft, "tree");
      mkdirSync(tree);
      copyFileSync(binary, join(tree, "bun"));
      await makeImage({
        image: join(draft, "bun.img"),
        from: tree,
        megabytes: imageMegabytes(size, 1),
        signal: session.signal,
      });
      rmSync(tree, { recursive: true });
    },
  );
  trim("bun-", 2);
  return join(directory, "bun.img");
}
