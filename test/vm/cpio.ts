/** One entry of an initramfs: a file with content, or a directory. */
export interface CpioEntry {
  readonly path: string;
  readonly mode?: number;
  readonly content?: string | Uint8Array;
}

const DIRECTORY = 0o040000;
const REGULAR = 0o100000;

/**
 * Writes the "newc" cpio format, which the kernel unpacks as an initramfs. Archives may simply be put one
 * after the other, so a kernel's part is kept and each run's part is added.
 */
export function cpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts = entries.flatMap((entry, index) => record(entry, index + 1));
  parts.push(...record({ path: "TRAILER!!!", mode: 0, content: "" }, 0));
  return Buffer.concat(parts);
}

function record(entry: CpioEntry, inode: number): Uint8Array[] {
  const name = Buffer.from(`${entry.path}\0`);
  const content = Buffer.from(entry.content ?? "");
  const mode = entry.content === undefined ? DIRECTORY | (entry.mode ?? 0o755) : REGULAR | (entry.mode ?? 0o644);
  const links = entry.content === undefined ? 2 : 1;
  // inode, mode, uid, gid, links, time, size, four device numbers, length of the name, checksum (unused)
  const fields = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
