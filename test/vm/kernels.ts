import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Archive } from "./archive.ts";
import { cached, contentKey, trim } from "./cache.ts";
import { FORMAT, imageMegabytes, makeImage } from "./disk-image.ts";
import { VmError } from "./failure.ts";
import type { HostPrograms } from "./host-programs.ts";
import { kernelInitramfs } from "./initramfs.ts";
import { downloadKernel } from "./kernel-download.ts";
import { run } from "./process.ts";
import type { Series } from "./series.ts";
import type { Session } from "./session.ts";

/** A kernel ready to boot: files in the cache. */
export interface Kernel {
  /** What `uname -r` will say. */
  readonly name: string;
  readonly vmlinuz: string;
  readonly initramfs: string;
  readonly modulesImage: string;
  /** Its modules did not come through the signed index, so the kernel itself must check their signatures. */
  readonly enforceSignatures: boolean;
}

// Raised when the way a kernel is prepared changes, so that what an older recipe cached is not used.
const RECIPE = 1;

/** The newest kernel of the series: from the cache, or downloaded and prepared (about 5 s). */
export async function ensureKernel(session: Session, programs: HostPrograms, series: Series, { refresh = false } = {}): Promise<Kernel> {
  const build = async (draft: string) => {
    const archive = await Archive.open(session, refresh);
    const { release, debs } = await downloadKernel(session, archive, series, draft);
    await prepareKernel(session, programs, release.name, debs, draft);
    const facts = { name: release.name, enforceSignatures: release.unlisted.length > 0 };
    writeFileSync(join(draft, "kernel.json"), JSON.stringify(facts));
  };
  const directory = await cached(session, `kernel-${series}-${contentKey(RECIPE, FORMAT)}`, build, {
    anew: refresh,
  });
  trim(`kernel-${series}-`, 1);
  const facts = JSON.parse(readFileSync(join(directory, "kernel.json"), "utf8")) as {
    name: string;
    enforceSignatures: boolean;
  };
  return {
    ...facts,
    vmlinuz: join(directory, "vmlinuz"),
    initramfs: join(directory, "initramfs"),
    modulesImage: join(directory, "modules.img"),
  };
}

/** Turns a kernel's packages into the three files that a boot needs. */
async function prepareKernel(
  { signal }: Session,
  programs: HostPrograms,
  name: string,
  debs: readonly string[],
  draft: string,
): Promise<void> {
  const tree = join(draft, "tree");
  mkdirSync(tree);
  for (const deb of debs) {
    await run(["dpkg-deb", "--extract", deb, tree], { signal });
    rmSync(deb);
  }
  const modules = join(tree, "usr/lib/modules");
  const own = join(modules, name);
  renameSync(findVmlinuz(tree, own, name), join(draft, "vmlinuz"));
  rmSync(join(own, "System.map"), { force: true });
  symlinkSync("usr/lib", join(tree, "lib")); // depmod looks under lib/modules
  await run(programs.depmod("--basedir", tree, name), { signal });
  writeFileSync(join(draft, "initramfs"), await kernelInitramfs(programs.busybox, own, signal));
  const files = readdirSync(modules, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, entry) => sum + Bun.file(join(entry.parentPath, entry.name)).size, 0);
  const image = join(draft, "modules.img");
  await makeImage({ image, from: modules, megabytes: imageMegabytes(bytes, files.length), signal });
  rmSync(tree, { recursive: true });
}

function findVmlinuz(tree: string, modules: string, name: string): string {
  const places = [join(modules, "vmlinuz"), join(modules, "vmlinuz.unsigned"), join(tree, `boot/vmlinuz-${name}`)];
  const vmlinuz = places.find((path) => existsSync(path));
  if (vmlinuz === undefined) throw new VmError(`The packages of ${name} hold no kernel image where one was expected.`);
  return vmlinuz;
}
