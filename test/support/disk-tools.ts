/**
 * What the tests of disks do to them, all of it in child processes: the test's own thread may be the one that serves.
 */
import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";

/** Runs a shell command; answers its output, or throws with it. `$1`... are the arguments. */
export async function sh(script: string, ...args: (string | number)[]): Promise<string> {
  const child = Bun.spawn(["bash", "-euo", "pipefail", "-c", script, "bash", ...args.map(String)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, LC_ALL: "C" },
  });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  if (status !== 0) throw new Error(`status ${status} of: ${script} [${args.join(" ")}]\n${out}${err}`);
  return out.trim();
}

/** The message of a shell command that must fail. */
export async function failure(script: string, ...args: (string | number)[]): Promise<string> {
  const out = await sh(script, ...args).catch((error: Error) => error);
  if (out instanceof Error) return out.message;
  throw new Error(`it should have failed: ${script} [${args.join(" ")}]\n${out}`);
}

/** A new directory on a real file system (in the VM /tmp is tmpfs), gone with its contents at the end. */
export async function workDirectory(base = process.cwd()): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(base, ".disk-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Every ublk node there is: block and char devices, and what sysfs knows. */
export function ublkNodes(): string[] {
  const names = (directory: string): string[] => {
    try {
      return readdirSync(directory);
    } catch {
      return []; // the driver is not loaded
    }
  };
  return [...names("/dev").filter((name) => /^ublk[bc]\d/.test(name)), ...names("/sys/class/ublk-char")];
}

const TREE_SUM = `cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum`;

/** A checksum over the names and contents of all files below a directory. */
export const treeSum = (directory: string): Promise<string> => sh(TREE_SUM, directory);

const FILE_SYSTEMS = {
  ext4: { make: "mkfs.ext4 -q -F", check: "e2fsck -fn" },
  xfs: { make: "mkfs.xfs -q -f", check: "xfs_repair -n" },
} as const;

export type FileSystem = keyof typeof FILE_SYSTEMS;

const ROUND_TRIP = `
${"$2"} "$1"
mnt=$(mktemp -d /tmp/mnt-XXXXXX)
mount "$1" "$mnt"
mkdir "$mnt/tree" && cp -r src package.json "$mnt/tree/"
truncate -s 5M "$mnt/hole" && cp -r src "$mnt/again" && rm -r "$mnt/again"
umount "$mnt"
blockdev --flushbufs "$1"
mount "$1" "$mnt"
(cd "$mnt/tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
fstrim "$mnt"
umount "$mnt"
rmdir "$mnt"
${"$3"} "$1" >/dev/null 2>&1 || { echo "fsck: $?"; ${"$3"} "$1" 2>&1 | tail -20; }
`;

/** Makes a file system, fills it with the project's tree, mounts it anew, reads the tree back and checks the file system. */
export async function fileSystemRoundTrip(device: string, kind: FileSystem): Promise<{ read: string; expected: string }> {
  const { make, check } = FILE_SYSTEMS[kind];
  const script = ROUND_TRIP.replaceAll("$2", make).replaceAll("$3", check);
  const expected = await sh(
    `cd "$1" && find src package.json -type f -printf './%p\\0' | sort -z | xargs -0 sha256sum | sha256sum`,
    process.cwd(),
  );
  return { read: await sh(script, device), expected };
}

/** Random writes by four jobs, verified by fio's own checksums; throws with fio's output when a block is wrong. */
export async function fioVerify(device: string, options: readonly string[] = []): Promise<string> {
  return sh(
    `fio --name=verify --filename="$1" --rw=randwrite --bs=4k --size=2m --offset_increment=8m --numjobs=4 --thread --ioengine=libaio \\
      --direct=1 --iodepth=16 --verify=crc32c --do_verify=1 --verify_fatal=1 --group_reporting ${options.join(" ")}`,
    device,
  );
}
