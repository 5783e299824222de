import { truncateSync, writeFileSync } from "node:fs";
import { run } from "./process.ts";

/**
 * No journal and no reserved blocks, for a file system that lives for one run; nothing is zeroed ahead; and
 * large blocks even for a small image, as a page of a program is then one read. Part of the images' keys.
 */
export const FORMAT: readonly string[] = [
  ...["-q", "-F", "-t", "ext4", "-b", "4096", "-O", "^has_journal", "-m", "0"],
  ...["-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"],
];

interface ImageOptions {
  readonly image: string;
  readonly from: string;
  /** Size of the (sparse) file: the content plus what the VM may write. */
  readonly megabytes: number;
  readonly signal: AbortSignal;
  /** What runs mke2fs for an ordinary user. By default it gives every file to root, whoever owns it here. */
  readonly wrapper?: readonly string[];
}

/** Makes an ext4 image of a directory, without mounting anything and so without root's rights. */
export async function makeImage({ image, from, megabytes, signal, wrapper = ["fakeroot"] }: ImageOptions): Promise<void> {
  writeFileSync(image, "");
  truncateSync(image, megabytes * 1024 * 1024);
  const asRoot = process.getuid?.() === 0;
  await run([...(asRoot ? [] : wrapper), "mke2fs", ...FORMAT, "-d", from, image], { signal });
}

/** An image's size for content of so many bytes: file system tables, block rounding and some room on top. */
export function imageMegabytes(contentBytes: number, files: number): number {
  return Math.ceil((contentBytes * 1.1 + files * 6144) / (1024 * 1024)) + 32;
}
