import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type CpioEntry, cpio } from "./cpio.ts";
import { VmError } from "./failure.ts";

/** What the first program needs to reach the disks, where the kernel has it as a module. */
const BOOT_MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "ext4"];

/** The part of the initramfs that depends on the kernel alone: busybox and the modules of its boot, uncompressed. */
export async function kernelInitramfs(busybox: string, modulesDirectory: string, signal: AbortSignal): Promise<Uint8Array> {
  const files = bootModules(readFileSync(join(modulesDirectory, "modules.dep"), "utf8"));
  const entries: CpioEntry[] = ["bin", "dev", "proc", "sys", "root", "modules", "vm"].map((path) => ({
    path,
  }));
  entries.push({ path: "bin/busybox", mode: 0o755, content: readFileSync(busybox) });
  for (const file of files)
    entries.push({
      path: `modules/${plainName(file)}`,
      content: await uncompressed(join(modulesDirectory, file), signal),
    });
  entries.push({ path: "modules/order", content: files.map((file) => `${plainName(file)}\n`).join("") });
  return cpio(entries);
}

/** The part that changes with every run: the guest's programs and what they are to do. */
export function runInitramfs(files: Readonly<Record<string, string>>): Uint8Array {
  const guest = (name: string) => readFileSync(join(import.meta.dir, "guest", name));
  return cpio([
    { path: "init", mode: 0o755, content: guest("init") },
    { path: "vm/main", mode: 0o755, content: guest("main") },
    ...Object.entries(files).map(([name, content]) => ({ path: `vm/${name}`, mode: 0o755, content })),
  ]);
}

/** Module files in the order in which they must be loaded; what is built into the kernel is not in modules.dep. */
function bootModules(modulesDep: string): string[] {
  const lines = modulesDep.split("\n").map((line) => line.split(/:? /).map((word) => word.replace(/:$/, "")));
  const order: string[] = [];
  for (const name of BOOT_MODULES) {
    const line = lines.find(([file = ""]) => plainName(file) === `${name}.ko`);
    // A line is "module: dependencies", the last of which must be loaded first.
    for (const file of [...(line ?? [])].reverse()) if (file !== "" && !order.includes(file)) order.push(file);
  }
  return order;
}

function plainName(file: string): string {
  return basename(file).replace(/\.ko(\.xz|\.zst|\.gz)?$/, ".ko");
}

async function uncompressed(file: string, signal: AbortSignal): Promise<Uint8Array> {
  const content = readFileSync(file);
  if (file.endsWith(".ko")) return content;
  if (!file.endsWith(".xz")) throw new VmError(`The module ${file} is compressed in a way that is not known here.`);
  const xz = Bun.spawn(["xz", "--decompress", "--stdout", file], {
    stdout: "pipe",
    stderr: "inherit",
    signal,
  });
  const plain = await new Response(xz.stdout).bytes();
  if ((await xz.exited) !== 0) throw new VmError(`xz cannot decompress ${file}.`);
  return plain;
}
