import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Archive, SUITE } from "./archive.ts";
import { cached, contentKey, trim } from "./cache.ts";
import { VmError } from "./failure.ts";
import { run } from "./process.ts";
import type { Session } from "./session.ts";

/**
 * Fetched for ourselves instead of taken from the machine, above all for QEMU: bookworm's 7.2 leaves rubbish
 * in EFLAGS after cmpxchg16b, and an interrupt just then loads it. One boot of 6.12 in five crashed for that,
 * and none with QEMU 10. It also gives every machine the same emulator, and so the same figures.
 */
const PACKAGES = ["qemu-system-x86", "busybox-static", "kmod"];

// Raised when the layout changes, so that what an older recipe cached is not used.
const RECIPE = 1;
const LIBRARIES = "usr/lib/x86_64-linux-gnu";

/** Programs of another Debian, unpacked into a folder of the cache and run with their own libraries. */
export class HostPrograms {
  private constructor(private readonly tree: string) {}

  static async ensure(session: Session): Promise<HostPrograms> {
    const directory = await cached(session, `programs-${contentKey(RECIPE, SUITE, PACKAGES)}`, async (draft) => {
      const archive = await Archive.open(session);
      session.say(`Downloading ${PACKAGES.join(", ")} of ${SUITE}, for the VM's own use`);
      const downloads = join(draft, "downloads");
      const debs = await archive.downloadClosure(PACKAGES, SUITE, downloads);
      const tree = join(draft, "tree");
      mkdirSync(tree);
      for (const deb of debs) await run(["dpkg-deb", "--extract", deb, tree], { signal: session.signal });
      rmSync(downloads, { recursive: true });
      for (const folder of ["doc", "man", "locale"]) rmSync(join(tree, "usr/share", folder), { recursive: true, force: true });
    });
    trim("programs-", 1);
    return new HostPrograms(join(directory, "tree"));
  }

  /** A program linked with all it needs; it runs anywhere. */
  get busybox(): string {
    return this.find("usr/bin/busybox", "bin/busybox");
  }

  qemu(...words: readonly string[]): string[] {
    const data = ["-L", join(this.tree, "usr/share/qemu"), "-L", join(this.tree, "usr/share/seabios")];
    return [...this.withOwnLibraries("qemu-system-x86_64", this.find("usr/bin/qemu-system-x86_64")), ...data, ...words];
  }

  /** QEMU would look for its loadable parts among the machine's own. */
  get qemuEnvironment(): Record<string, string> {
    return { QEMU_MODULE_DIR: join(this.tree, LIBRARIES, "qemu") };
  }

  depmod(...words: readonly string[]): string[] {
    return [...this.withOwnLibraries("depmod", this.find("usr/bin/kmod", "bin/kmod")), ...words];
  }

  private withOwnLibraries(name: string, program: string): string[] {
    const libraries = join(this.tree, LIBRARIES);
    return [join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries, "--argv0", name, program];
  }

  private find(...candidates: readonly string[]): string {
    const path = candidates.map((candidate) => join(this.tree, candidate)).find((candidate) => existsSync(candidate));
    if (path === undefined)
      throw new VmError(`${candidates.join(" or ")} is missing under ${this.tree}: delete that folder and try again.`);
    return path;
  }
}
