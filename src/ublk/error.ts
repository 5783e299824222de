import { errnoName, SystemError, type SystemErrorInit } from "../ffi/index.ts";

/** Causes by command and errno: `"ADD_DEV EEXIST"`, or the errno alone. */
const HINTS: Readonly<Record<string, string>> = {
  "ADD_DEV EEXIST": "the id is taken; choose another or leave it out",
  "ADD_DEV EPERM":
    "creating a device needs root (CAP_SYS_ADMIN in the initial user namespace), or unprivileged: true, which makes a user's own (--unprivileged)",
  "ADD_DEV EACCES":
    "there are as many unprivileged devices as the administrator allows: delete one, or raise /sys/module/ublk_drv/parameters/ublks_max",
  "ADD_DEV EINVAL": "the driver refuses the combination of queues, depth, sizes and flags",
  "SET_PARAMS EINVAL": "the driver refuses a parameter; the stored ones are gone now",
  "SET_PARAMS EACCES": "the device is started, and parameters are fixed then; or it is another user's",
  "START_DEV EINVAL": "no valid parameters are set, or this is not the process that opened the char device",
  "START_DEV EEXIST": "the device is live already, or its previous disk is not released yet",
  "START_DEV EINTR": "it was cancelled while it waited for every queue to fetch",
  "START_USER_RECOVERY EINVAL": "the device was made without recovery: serve with recovery: 'queue', 'reissue' or 'fail-io'",
  "START_USER_RECOVERY EBUSY": "its server is still there, or something else holds the char device",
  "END_USER_RECOVERY EINTR": "it was cancelled while it waited for every queue to fetch",
  "QUIESCE_DEV EOPNOTSUPP": "the device was made without UBLK_F_QUIESCE, or the kernel is older than Linux 6.16",
  "REG_BUF EEXIST": "some of these pages are registered with the device already",
  "REG_BUF EFAULT":
    "the memory is not mapped, only for reading (then it needs readOnly), or of a file on a disk: a memfd, tmpfs or hugetlbfs can be shared",
  "REG_BUF EOPNOTSUPP":
    "the device was made without UBLK_F_SHMEM_ZC (serve with sharedMemory: true), or the kernel is older than Linux 7.1",
  "REG_BUF ENOSPC": "65536 pieces of memory are registered with the device, and that is all",
  "UNREG_BUF ENOENT": "nothing is registered under this index",
  "UNREG_BUF EOPNOTSUPP": "the device was made without UBLK_F_SHMEM_ZC, or the kernel is older than Linux 7.1",
  "TRY_STOP_DEV EBUSY": "somebody has the device open (a mount counts)",
  EACCES: "it is another user's: an unprivileged device's owner and root may, once udev has given them its nodes (docs/admin.md)",
  EPERM: "this needs root (CAP_SYS_ADMIN in the initial user namespace)",
  ENODEV: "there is no such device, or it is not started",
  EOPNOTSUPP: "this kernel's driver does not have the command",
  ETIMEDOUT: "the command took longer than its time limit",
};

/** A ublk control command, or a step of a device's life, failed. */
export class UblkError extends SystemError {
  /** The command (`"ADD_DEV"`), or the step. */
  readonly command: string;
  /** The device's id, where there is one. */
  readonly device: number | undefined;

  constructor(init: Omit<SystemErrorInit, "syscall"> & { command: string; device?: number }) {
    const code = errnoName(init.errno);
    const hint = init.hint ?? HINTS[`${init.command} ${code}`] ?? HINTS[code];
    super({
      errno: init.errno,
      cause: init.cause,
      syscall: `ublk ${init.command}`,
      ...(init.subject !== undefined ? { subject: init.subject } : init.device === undefined ? {} : { subject: `device ${init.device}` }),
      ...(hint === undefined ? {} : { hint }),
    });
    this.command = init.command;
    this.device = init.device;
  }
}
