import { truncateSync, writeFileSync } from "node:fs";
import { isAbsolute, normalize } from "node:path";
import { VmError } from "./failure.ts";
import { run } from "./process.ts";

/** Room for what is brought back; sparse. */
const MEGABYTES = 4096;

/** The disk onto whose bare device the guest writes a tar archive of what is to come back. */
export function makeResultsDisk(image: string): string {
  writeFileSync(image, "");
  truncateSync(image, MEGABYTES * 1024 * 1024);
  return image;
}

/** Unpacks the archive into the project; tar itself refuses to leave that directory. */
export async function unpackResults(image: string, project: string, signal: AbortSignal): Promise<void> {
  // Written by the VM's root; here they belong to whoever runs this.
  await run(["tar", "--extract", "--file", image, "--directory", project, "--no-same-owner"], { signal });
}

/** A path to bring back, checked to lie inside the project. */
export function checkBringPath(path: string): string {
  const plain = normalize(path).replace(/\/+$/, "");
  if (plain === "" || plain === "." || isAbsolute(plain) || plain === ".." || plain.startsWith("../") || plain.includes("\n")) {
    throw new VmError(`Cannot bring back "${path}": give a path inside the project, relative to it.`);
  }
  return plain;
}
