import type { Attempt, Check, Finding, Machine } from "./machine.ts";

const CHECK = "io_uring";
const SYSCTL = "/proc/sys/kernel/io_uring_disabled";

function why({ read }: Machine, { code, message }: Extract<Attempt<true>, { code: string }>): Pick<Finding, "message" | "remedy"> {
  const disabled = read(SYSCTL);
  if (code === "EPERM" && disabled === "2")
    return {
      message: "io_uring is switched off for everybody (kernel.io_uring_disabled is 2)",
      remedy: "sysctl kernel.io_uring_disabled=0",
    };
  if (code === "EPERM" && disabled === "1")
    return {
      message: "io_uring is switched off for users without CAP_SYS_ADMIN (kernel.io_uring_disabled is 1)",
      remedy: "be root, be in the group of kernel.io_uring_group, or sysctl kernel.io_uring_disabled=0",
    };
  if (code === "EPERM" || code === "EACCES")
    return {
      message: "io_uring is refused, but not by sysctl: most likely a container's seccomp filter",
      remedy: "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile",
    };
  if (code === "ENOSYS")
    return {
      message: "there is no io_uring: the kernel was built without it, or a seccomp filter hides it",
      remedy: "a kernel with CONFIG_IO_URING; in a container, a seccomp profile that allows it",
    };
  if (code === "EINVAL")
    return {
      message: "io_uring is older than Linux 5.19: it has no SQEs of 128 bytes, which ublk's commands need",
      remedy: "Linux 6.5 or newer",
    };
  if (code === "ENOMEM")
    return {
      message: "a ring may not lock its memory",
      remedy: "raise the limit of locked memory: ulimit -l, or LimitMEMLOCK= of the service",
    };
  return { message: `a ring cannot be made: ${message}`, remedy: "see io_uring_setup(2)" };
}

/** Whether rings can be made. */
export const ring: Check = async (machine: Machine): Promise<Finding[]> => {
  const attempt = await machine.ring();
  if ("code" in attempt) return [{ check: CHECK, level: "problem", ...why(machine, attempt) }];
  const disabled = machine.read(SYSCTL);
  if (disabled === "1")
    return [{ check: CHECK, level: "note", message: "io_uring is allowed here, but not to everybody (kernel.io_uring_disabled is 1)" }];
  return [{ check: CHECK, level: "ok", message: "io_uring is allowed" }];
};
