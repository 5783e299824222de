import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SUITE } from "./archive.ts";
import { cached, contentKey, trim } from "./cache.ts";
import { FORMAT, makeImage } from "./disk-image.ts";
import { findMirror } from "./mirror.ts";
import { contained, run } from "./process.ts";
import type { Session } from "./session.ts";

/** The programs that tests and benchmarks may count on. */
const PACKAGES = [
  "bash",
  "btrfs-progs",
  "busybox",
  "coreutils",
  "e2fsprogs",
  "fio",
  "iproute2",
  "kmod",
  "liburing2",
  "procps",
  "psmisc",
  "strace",
  "udev",
  "util-linux",
  "xfsprogs",
];

// Raised when the layout below changes, so that what an older recipe cached is not used.
const RECIPE = 1;
const MEGABYTES = 2048;

/** A Debian root shared by all kernels: from the cache, or built (half a minute). It is opened as a snapshot, so it never changes. */
export async function ensureRoot(session: Session): Promise<string> {
  const directory = await cached(session, `root-${SUITE}-${contentKey(RECIPE, FORMAT, SUITE, PACKAGES)}`, (draft) =>
    buildRoot(session, draft),
  );
  trim("root-", 1);
  return join(directory, "root.img");
}

async function buildRoot(session: Session, draft: string): Promise<void> {
  session.say(`Building the VM's Debian root (${SUITE} with ${PACKAGES.join(", ")})`);
  const { signal } = session;
  const asRoot = process.getuid?.() === 0;
  const tree = join(draft, "tree");
  const mirror = findMirror();
  const command = [
    "mmdebstrap",
    `--mode=${asRoot ? "root" : "unshare"}`,
    "--variant=minbase",
    "--architectures=amd64",
    `--include=${PACKAGES.join(",")}`,
    ...["doc", "man", "locale", "info"].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`),
    ...(await hostNetworkOptions(signal)).map((option) => `--aptopt=${option}`),
    SUITE,
  ];
  const source = `deb [signed-by=${mirror.signedBy}] ${mirror.uri} ${SUITE} main`;
  if (asRoot) {
    await run(await contained([...command, tree, source]), { signal });
    finish(tree);
    await makeImage({ image: join(draft, "root.img"), from: tree, megabytes: MEGABYTES, signal });
  } else {
    // An ordinary user cannot own root's files: fakeroot remembers the owners between unpacking and copying.
    const tar = join(draft, "root.tar");
    await run([...command, tar, source], { signal });
    mkdirSync(tree);
    const faked = join(draft, "fakeroot");
    writeFileSync(faked, "");
    await run(["fakeroot", "-s", faked, "tar", "-C", tree, "--exclude=./dev/*", "-xf", tar], { signal });
    rmSync(tar);
    // Files that not even their owner may read: root could, and to fakeroot they keep the modes they had.
    await run(["chmod", "-R", "u+rwX", tree], { signal });
    finish(tree);
    await makeImage({
      image: join(draft, "root.img"),
      from: tree,
      megabytes: MEGABYTES,
      signal,
      wrapper: ["fakeroot", "-i", faked],
    });
    rmSync(faked);
  }
  rmSync(tree, { recursive: true });
}

/** What a VM needs beside packages: the place where Bun's own disk is mounted, and its names in PATH. */
function finish(tree: string): void {
  mkdirSync(join(tree, "opt/bun"), { recursive: true });
  // Scripts that ask for node get Bun, which speaks node's command line well enough for them.
  for (const name of ["bun", "bunx", "node"]) symlinkSync("/opt/bun/bun", join(tree, "usr/local/bin", name));
  mkdirSync(join(tree, "usr/lib/modules"), { recursive: true });
  writeFileSync(join(tree, "etc/hostname"), "vm\n");
  writeFileSync(join(tree, "etc/hosts"), "127.0.0.1 localhost vm\n::1 localhost\n");
  writeFileSync(join(tree, "etc/machine-id"), "00000000000000000000000000000001\n");
  rmSync(join(tree, "etc/resolv.conf"), { force: true });
  rmSync(join(tree, "var/lib/apt/lists"), { recursive: true, force: true });
}

/** mmdebstrap does not read the machine's apt settings: hand on those that reaching the mirror may depend on. */
async function hostNetworkOptions(signal: AbortSignal): Promise<string[]> {
  const dump = await run(["apt-config", "dump"], { signal });
  return dump.stdout
    .split("\n")
    .filter((line) => /^Acquire::(https?|ftp|Retries|Check-Date|Check-Valid-Until)\b.* "[^"]+";$/.test(line))
    .map((line) => line.replace(/;$/, ""));
}
