import type { Check, Finding, Machine } from "./machine.ts";

const problem = (message: string, remedy: string): Finding[] => [{ check: "module", level: "problem", message, remedy }];

/** Where modprobe is told of modules. */
const CONFIGURATION = ["/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

/** The file that keeps the module from being loaded, if one does. */
function forbids({ list, read }: Machine): string | undefined {
  for (const folder of CONFIGURATION) {
    for (const name of list(folder).filter((each) => each.endsWith(".conf"))) {
      const lines = read(`${folder}/${name}`)?.split("\n") ?? [];
      if (lines.some((line) => /^\s*(blacklist\s+ublk_drv\b|install\s+ublk_drv\s+\S*(true|false)\b)/.test(line)))
        return `${folder}/${name}`;
    }
  }
  return undefined;
}

function unloaded(machine: Machine): Finding[] {
  const { release, read, exists } = machine;
  const folder = `/lib/modules/${release}`;
  if (/\/ublk_drv\.ko/.test(read(`${folder}/modules.builtin`) ?? ""))
    return problem(
      "ublk is built into this kernel, but /dev/ublk-control is missing",
      "mount devtmpfs on /dev; in a container, give it the node",
    );
  if (!exists("/proc/modules") && !exists(folder))
    return problem("this kernel has no ublk, and loads no modules", "a kernel with CONFIG_BLK_DEV_UBLK: Debian's since 6.12");
  if (!exists(folder))
    return problem(
      `there are no modules for this kernel (${folder} is missing)`,
      "reboot into the kernel that is installed, or install this one's modules",
    );
  if (!/\/ublk_drv\.ko/.test(read(`${folder}/modules.dep`) ?? ""))
    return problem(
      "this kernel has no ublk module (CONFIG_BLK_DEV_UBLK)",
      "a kernel that has it: Debian's since 6.12; some distributions have it in a package of extra modules (linux-modules-extra)",
    );
  if (read("/proc/sys/kernel/modules_disabled") === "1")
    return problem(
      "the ublk module is there but not loaded, and this system loads no modules any more (kernel.modules_disabled)",
      "reboot, with ublk_drv in /etc/modules-load.d/ublk.conf",
    );
  const file = forbids(machine);
  if (file !== undefined)
    return problem(
      `the ublk module is not loaded, and ${file} keeps it from being loaded`,
      `take the line out of ${file}, then modprobe ublk_drv`,
    );
  return problem(
    "the ublk module is there but not loaded",
    "modprobe ublk_drv; for every boot: echo ublk_drv > /etc/modules-load.d/ublk.conf",
  );
}

/** The module, and the node of the driver. */
export const module: Check = (machine: Machine): Finding[] => {
  if (machine.exists("/dev/ublk-control")) return [{ check: "module", level: "ok", message: "the ublk driver is there" }];
  if (machine.exists("/sys/module/ublk_drv"))
    return problem(
      "the ublk module is loaded, but /dev/ublk-control is missing",
      "mount devtmpfs on /dev; in a container, give it the node and those of its disks",
    );
  return unloaded(machine);
};

/** The nodes of disks appear by themselves. */
export const nodes: Check = ({ read }: Machine): Finding[] => {
  const mounts = read("/proc/self/mounts")?.split("\n") ?? [];
  const [, , type] = mounts.findLast((line) => line.split(" ")[1] === "/dev")?.split(" ") ?? [];
  if (type === undefined || type === "devtmpfs") return [];
  return [
    {
      check: "nodes",
      level: "warning",
      message: `/dev is a ${type}, where the nodes of new disks do not appear by themselves`,
      remedy: "outside a container nothing is to be done but to mount devtmpfs; in one, bind-mount the host's /dev",
    },
  ];
};
