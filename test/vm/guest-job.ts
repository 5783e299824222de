/** What a guest is told to do. */
export interface GuestJob {
  readonly nonce: string;
  readonly project: string;
  readonly hasDependencies: boolean;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly bring: readonly string[];
}

/** Variables of the host that the command sees too. */
const PASSED_ON = /^(CI|NO_COLOR|URING_UBLK_.*)$/;

/** The command's environment: a plain Debian root's, what is passed on, and what was asked for. */
export function guestEnvironment(kernel: string, asked: Readonly<Record<string, string>>): Record<string, string> {
  const passed = Object.entries(process.env).filter(
    (entry): entry is [string, string] => PASSED_ON.test(entry[0]) && entry[1] !== undefined,
  );
  return {
    HOME: "/root",
    USER: "root",
    LANG: "C.UTF-8",
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...Object.fromEntries(passed),
    // Tells a program that it runs in such a VM, and on which kernel.
    URING_UBLK_VM: kernel,
    ...asked,
  };
}

/** The project has the same path in the VM, so that messages and arguments fit, unless that would hide a system folder. */
export function guestProjectPath(project: string): string {
  const system = /^\/(bin|boot|dev|etc|lib\w*|proc|run|sbin|sys|usr|var|opt\/bun)(\/|$)|^\/(opt|tmp)?$/;
  return system.test(project) ? "/project" : project;
}

/** The job as the files that the guest's programs read. */
export function guestFiles(job: GuestJob): Record<string, string> {
  const environment = Object.entries(job.environment).map(([name, value]) => quote(`${name}=${value}`));
  return {
    config: [`VM_NONCE=${job.nonce}`, `VM_PROJECT=${quote(job.project)}`, `VM_DEPENDENCIES=${job.hasDependencies ? 1 : 0}`, ""].join("\n"),
    command: [
      "#!/bin/sh",
      `cd ${quote(job.project)} || exit 125`,
      "ulimit -n 1048576",
      "ulimit -l unlimited",
      "ulimit -c 0",
      `exec env -i ${environment.join(" ")} ${job.command.map(quote).join(" ")}`,
      "",
    ].join("\n"),
    bring: ["vm-out", ...job.bring].map((path) => `${path}\n`).join(""),
  };
}

/** One word for a shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
