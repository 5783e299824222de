import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Archive } from "../../test/vm/archive.ts";
import { cached, contentKey } from "../../test/vm/cache.ts";
import { VmError } from "../../test/vm/failure.ts";
import type { Session } from "../../test/vm/session.ts";
import { ensurePackages } from "../../test/vm/tools.ts";
import { newestOf, openFloorSession, unpackPackage } from "./debian.ts";

/** What the compiler is told to find liburing by. */
export interface Liburing {
  readonly includes: readonly string[];
  readonly library: string;
}

// Its headers need those of a recent kernel, which an older Debian does not have.
const PACKAGES = ["liburing-dev", "linux-libc-dev"];

// Raised when the layout changes, so that what an older recipe cached is not used.
const RECIPE = 1;

/**
 * Makes sure of a C compiler (installed with apt-get when it is missing and we may) and of liburing: the newest of Debian, unpacked into
 * the cache, so that the floor is not an old library's and the same on every machine. Once cached it is used for ever. Where no Debian
 * mirror can be reached, the machine's own serves.
 */
export async function toolchain(): Promise<Liburing> {
  await using session = openFloorSession();
  await ensurePackages(session, "The C program to compare with", missingCompiler);
  try {
    return found(await cached(session, `liburing-${contentKey(RECIPE, PACKAGES)}`, (draft) => unpack(session, draft)));
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    if (existsSync("/usr/include/liburing.h")) return { includes: [], library: "-luring" };
    throw new Error(`the floor programs need liburing: apt-get install liburing-dev\n${error.message}`);
  }
}

function missingCompiler(): string[] {
  const compiler = Bun.which("gcc", { PATH: process.env.PATH ?? "" }) === null ? ["gcc"] : [];
  return existsSync("/usr/include/stdio.h") ? compiler : [...compiler, "libc6-dev"];
}

async function unpack(session: Session, draft: string): Promise<void> {
  const archive = await Archive.open(session);
  const tree = join(draft, "tree");
  mkdirSync(tree);
  for (const name of PACKAGES) {
    const newest = newestOf(await archive.search(name, new RegExp(`^${name}$`)));
    if (newest === undefined) throw new VmError(`The mirror has no package ${name}.`);
    await unpackPackage(session, archive, newest, tree);
  }
}

function found(directory: string): Liburing {
  const at = (path: string): string => join(directory, "tree/usr", path);
  return {
    includes: ["include", "include/x86_64-linux-gnu"].flatMap((folder) => ["-isystem", at(folder)]),
    library: at("lib/x86_64-linux-gnu/liburing.a"),
  };
}
