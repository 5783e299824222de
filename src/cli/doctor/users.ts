import { type Privilege, privilegeOf } from "../../ublk/privilege.ts";
import type { Check, Finding, Machine } from "./machine.ts";

const CONTROL = "/dev/ublk-control";
const QUOTA = "/sys/module/ublk_drv/parameters/ublks_max";
/** Where udev's rules are. */
const RULES = ["/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"];
const INSTALL = "the administrator installs this package's udev/60-uring-ublk.rules (docs/admin.md)";

const isWhat = ({ read }: Machine): Privilege => privilegeOf(read("/proc/self/status"), read("/proc/self/uid_map"));

/** Whether the process may make devices: any with CAP_SYS_ADMIN in the first user namespace, or unprivileged ones. */
export const rights: Check = (machine: Machine): Finding[] => {
  const what = isWhat(machine);
  const check = "rights";
  if (what === "admin") return [{ check, level: "ok", message: "this process may make devices" }];
  if (machine.opens(CONTROL))
    return [
      {
        check,
        level: "note",
        message:
          "this process may make unprivileged disks only: it is not root to the kernel (no CAP_SYS_ADMIN in the first user namespace)",
        remedy: "uring-ublk add --unprivileged; or be root: sudo uring-ublk ...",
      },
    ];
  const message =
    what === "container-root"
      ? "this is root of a user namespace (a container), to whom the kernel gives no devices"
      : "this process has no CAP_SYS_ADMIN";
  const remedy =
    what === "container-root"
      ? "run it outside, or in a container that shares the host's user namespace"
      : `be root: sudo uring-ublk ...; for disks without root, ${INSTALL}`;
  return [{ check, level: "problem", message, remedy }];
};

/** What a user who may make unprivileged disks needs besides: nodes that become the user's, and room for one more. */
export const users: Check = async (machine: Machine): Promise<Finding[]> => {
  if (isWhat(machine) === "admin" || !machine.opens(CONTROL)) return [];
  return [...nodesOf(machine), ...(await room(machine))];
};

function nodesOf({ list, read }: Machine): Finding[] {
  const files = RULES.flatMap((folder) => list(folder).flatMap((name) => (name.endsWith(".rules") ? [`${folder}/${name}`] : [])));
  // Nodes of any name may be meant by a pattern: what gives one of ublk away is enough.
  const gives = files.some((file) => /^[^#\n]*ublk[^\n]*\b(RUN|PROGRAM|OWNER|SYSTEMD_WANTS)\b/m.test(read(file) ?? ""));
  if (gives) return [];
  return [
    {
      check: "users",
      level: "problem",
      message: "no udev rule gives the nodes of a user's disk to its owner: it cannot be served, and stays until root deletes it",
      remedy: INSTALL,
    },
  ];
}

async function room(machine: Machine): Promise<Finding[]> {
  const most = Number(machine.read(QUOTA) ?? Number.NaN);
  const have = (await machine.devices()).filter(({ unprivileged }) => unprivileged).length;
  if (!(have >= most)) return []; // what others have is not seen here
  return [
    {
      check: "users",
      level: "warning",
      message: `there are ${have} of at most ${most} unprivileged disks`,
      remedy: `delete one; or as root: echo ${most * 2} > ${QUOTA}`,
    },
  ];
}
