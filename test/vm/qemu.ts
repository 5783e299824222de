import type { HostPrograms } from "./host-programs.ts";
import type { Kernel } from "./kernels.ts";
import { dieWithParent } from "./process.ts";

export type Accelerator = "kvm" | "tcg" | "icount";

/** A disk of the VM, found in the guest by its name as the disk's serial. */
export interface Disk {
  readonly name: string;
  readonly image: string;
  /** `snapshot`: writable, and what is written is forgotten. */
  readonly access: "read-only" | "snapshot" | "writable";
}

export interface Machine {
  readonly kernel: Kernel;
  readonly initramfs: string;
  readonly accelerator: Accelerator;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly disks: readonly Disk[];
  /** The unix socket on which we listen for the guest's virtio port; none for a trial boot. */
  readonly portSocket?: string;
  /** Where QEMU puts the snapshots' changes. */
  readonly temporaryDirectory: string;
}

export type Qemu = Bun.Subprocess<"pipe", "pipe", "pipe">;

/** Starts QEMU. Its stdin and stdout are the guest's console; the process ends with us, however we end. */
export function startQemu(programs: HostPrograms, machine: Machine): Qemu {
  return Bun.spawn(["setsid", ...dieWithParent("KILL"), ...programs.qemu(...qemuArguments(machine))], {
    env: { ...process.env, ...programs.qemuEnvironment, TMPDIR: machine.temporaryDirectory },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/**
 * What to write to QEMU's stdin for the magic SysRq key `letter`: its console multiplexer turns Ctrl-A b into
 * a serial break, and the kernel itself takes the next letter, even when nothing in user space runs any more.
 */
export function sysrq(letter: string): [serialBreak: string, letter: string] {
  return ["\x01b", letter];
}

function qemuArguments(machine: Machine): string[] {
  return [
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"],
    ...["-machine", "q35,hpet=off", ...acceleratorArguments(machine.accelerator)],
    ...["-m", String(machine.memoryMb), "-smp", String(machine.cpus)],
    ...["-kernel", machine.kernel.vmlinuz, "-initrd", machine.initramfs, "-append", kernelCommandLine(machine)],
    ...["-chardev", "stdio,id=console,mux=on,signal=off", "-serial", "chardev:console"],
    ...portArguments(machine.portSocket),
    ...machine.disks.flatMap(diskArguments),
  ];
}

function acceleratorArguments(accelerator: Accelerator): string[] {
  switch (accelerator) {
    case "kvm":
      return ["-accel", "kvm", "-cpu", "host"];
    case "tcg":
      return ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", EMULATED_CPU];
    case "icount":
      // Guest time is counted in instructions (2^2 ns each): figures repeat whatever else the host does.
      return ["-accel", "tcg,thread=single,tb-size=512", "-cpu", EMULATED_CPU, "-icount", "shift=2,sleep=off"];
  }
}

// "max" has the AVX2 that Bun wants. Emulation charges `rep movsb` per byte, which would make every copy look
// dearer than it is: without ERMS and FSRM the kernel copies with ordinary loads and stores.
const EMULATED_CPU = "max,-erms,-fsrm";

function kernelCommandLine(machine: Machine): string {
  const words = ["console=ttyS0", "panic=-1", "quiet", "mitigations=off", "nokaslr", "sysrq_always_enabled=1"];
  // The test of the timer interrupt is a race against real time, which a busy host loses.
  words.push("no_timer_check");
  // Emulated time stamps are steady, but the kernel cannot know and would calibrate for long.
  if (machine.accelerator !== "kvm") words.push("tsc=reliable", "clocksource=tsc");
  if (machine.kernel.enforceSignatures) words.push("module.sig_enforce=1");
  return words.join(" ");
}

function portArguments(socket: string | undefined): string[] {
  if (socket === undefined) return [];
  return [
    "-chardev",
    `socket,id=port,path=${escapeComma(socket)}`,
    "-device",
    "virtio-serial-pci",
    "-device",
    "virtserialport,chardev=port,name=vm",
  ];
}

function diskArguments({ name, image, access }: Disk): string[] {
  const mode = { "read-only": "readonly=on", snapshot: "snapshot=on", writable: "readonly=off" }[access];
  // Nothing here has to survive a crash of the host, so flushes need not reach its disk.
  return [
    "-drive",
    `file=${escapeComma(image)},if=none,id=${name},format=raw,cache=unsafe,${mode}`,
    "-device",
    `virtio-blk-pci,drive=${name},serial=${name}`,
  ];
}

/** In QEMU's option lists a comma separates and two stand for one. */
function escapeComma(text: string): string {
  return text.replaceAll(",", ",,");
}
