import { ensureBunDisk } from "./bun-disk.ts";
import { HostPrograms } from "./host-programs.ts";
import { ensureKernel, type Kernel } from "./kernels.ts";
import { canUseKvm } from "./kvm.ts";
import { ensureDependenciesDisk, makeProjectDisk } from "./project-disk.ts";
import type { Disk } from "./qemu.ts";
import { ensureRoot } from "./root.ts";
import type { Series } from "./series.ts";
import type { Session } from "./session.ts";

/** All that a machine is put together from. */
export interface Parts {
  readonly programs: HostPrograms;
  readonly kernel: Kernel;
  readonly disks: readonly Disk[];
  readonly hasDependencies: boolean;
  readonly kvmWorks: boolean;
}

interface Wanted {
  readonly series: Series;
  readonly project: string;
  readonly refresh: boolean;
  /** Whether it is worth finding out if KVM works. */
  readonly mayUseKvm: boolean;
}

/** Makes what is missing of a machine's parts, all at the same time; `giveUp` ends the others when one fails. */
export async function ensureParts(session: Session, giveUp: AbortController, wanted: Wanted): Promise<Parts> {
  const programsReady = HostPrograms.ensure(session);
  const kernelReady = programsReady.then((programs) => ensureKernel(session, programs, wanted.series, wanted));
  const kvmTried = Promise.all([programsReady, kernelReady]).then(([programs, kernel]) =>
    wanted.mayUseKvm ? canUseKvm(session, programs, kernel) : false,
  );
  const [programs, kernel, kvmWorks, root, bun, project, dependencies] = await together(giveUp, [
    programsReady,
    kernelReady,
    kvmTried,
    ensureRoot(session),
    ensureBunDisk(session),
    makeProjectDisk(session, wanted.project),
    ensureDependenciesDisk(session, wanted.project),
  ] as const);
  const disks: Disk[] = [
    { name: "root", image: root, access: "snapshot" },
    { name: "modules", image: kernel.modulesImage, access: "read-only" },
    { name: "bun", image: bun, access: "read-only" },
    { name: "project", image: project, access: "writable" },
  ];
  if (dependencies !== undefined) disks.push({ name: "dependencies", image: dependencies, access: "snapshot" });
  return { programs, kernel, disks, hasDependencies: dependencies !== undefined, kvmWorks };
}

/** Waits for all, and when one fails ends the others before it throws: they work in a directory about to go. */
async function together<const T extends readonly unknown[]>(
  giveUp: AbortController,
  tasks: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  try {
    return await Promise.all(tasks);
  } catch (error) {
    giveUp.abort(error);
    await Promise.allSettled(tasks);
    throw error;
  }
}
