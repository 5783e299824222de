import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached, contentKey, trim } from "./cache.ts";
import { cpio } from "./cpio.ts";
import type { HostPrograms } from "./host-programs.ts";
import type { Kernel } from "./kernels.ts";
import { startQemu } from "./qemu.ts";
import type { Session } from "./session.ts";

const TRIAL_SECONDS = 5;
const SUCCESS = "trial boot done";

/**
 * Whether this machine can run the kernel with hardware virtualisation. Only a boot can tell: a /dev/kvm may
 * be there and unable to run a stock kernel. Tried once for each kernel and boot of the host.
 */
export async function canUseKvm(session: Session, programs: HostPrograms, kernel: Kernel): Promise<boolean> {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  const hostBoot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const verdict = await cached(session, `kvm-${contentKey(kernel.name, hostBoot)}`, async (draft) => {
    if (await trialBoot(session, programs, kernel)) writeFileSync(join(draft, "works"), "");
  });
  trim("kvm-", 20);
  return existsSync(join(verdict, "works"));
}

async function trialBoot(session: Session, programs: HostPrograms, kernel: Kernel): Promise<boolean> {
  const init = `#!/bin/busybox sh\n/bin/busybox mount -t devtmpfs dev /dev\necho "<0>${SUCCESS}" >/dev/kmsg\nexec /bin/busybox poweroff -f\n`;
  const initramfs = session.path("trial-initramfs");
  writeFileSync(initramfs, Buffer.concat([readFileSync(kernel.initramfs), cpio([{ path: "init", mode: 0o755, content: init }])]));
  const temporaryDirectory = session.path("trial");
  mkdirSync(temporaryDirectory);
  const qemu = startQemu(programs, {
    kernel,
    initramfs,
    accelerator: "kvm",
    memoryMb: 512,
    cpus: 1,
    disks: [],
    temporaryDirectory,
  });
  const kill = () => qemu.kill("SIGKILL");
  const timer = setTimeout(kill, TRIAL_SECONDS * 1000);
  session.signal.addEventListener("abort", kill, { once: true });
  const [console] = await Promise.all([new Response(qemu.stdout).text(), new Response(qemu.stderr).text(), qemu.exited]);
  clearTimeout(timer);
  session.signal.removeEventListener("abort", kill);
  session.signal.throwIfAborted();
  return console.includes(SUCCESS);
}
