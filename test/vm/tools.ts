import { existsSync } from "node:fs";
import { lock } from "./cache.ts";
import { VmError } from "./failure.ts";
import { run, runUndisturbed } from "./process.ts";
import type { Session } from "./session.ts";

/** The programs that must be installed (host-programs.ts fetches the others), each with the Debian package that brings it. */
const TOOLS: ReadonlyArray<{ program: string; package: string; nonRootOnly?: boolean }> = [
  { program: "mmdebstrap", package: "mmdebstrap" },
  { program: "mke2fs", package: "e2fsprogs" },
  { program: "xz", package: "xz-utils" },
  { program: "tar", package: "tar" },
  { program: "flock", package: "util-linux" },
  { program: "setpriv", package: "util-linux" },
  // Without root, the Debian root is unpacked in a user namespace and its owners are recorded by fakeroot.
  { program: "fakeroot", package: "fakeroot", nonRootOnly: true },
  { program: "newuidmap", package: "uidmap", nonRootOnly: true },
];

/** How long apt waits for another that installs something. */
const LOCK_SECONDS = 300;

// Debian keeps some of these out of an ordinary user's PATH.
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Makes the host's programs available: finds them, or installs them, or says what to install. */
export async function ensureTools(session: Session): Promise<void> {
  extendPath();
  await ensurePackages(session, "The VM", missingPackages);
}

/** Installs the Debian packages that `missing` names until it names none, or says what to install. `who` needs them. */
export async function ensurePackages(session: Session, who: string, missing: () => string[]): Promise<void> {
  const absent = missing();
  if (absent.length === 0) return;
  checkInstallable(who, absent);
  // Two that start together would both install, and one of them find apt's own locks taken. What the first has installed is enough for both.
  await using _lock = await lock(session, "apt");
  const wanted = missing();
  if (wanted.length > 0) await install(session, wanted);
  const still = missing();
  if (still.length > 0) throw new VmError(`apt-get installed ${still.join(", ")}, but their programs are not in PATH.`);
}

const installing = (packages: readonly string[]): string[] => ["apt-get", "install", "--yes", "--no-install-recommends", ...packages];

function checkInstallable(who: string, packages: readonly string[]): void {
  if (Bun.which("apt-get") === null) {
    throw new VmError(
      `${who} needs programs of these Debian packages: ${packages.join(", ")}.\n` +
        "This machine has no apt-get to install them with: install their equivalents, or use a Debian machine.",
    );
  }
  if (process.getuid?.() !== 0) {
    throw new VmError(`${who} needs programs that are not installed. Install them with:\n  sudo ${installing(packages).join(" ")}`);
  }
}

async function install(session: Session, packages: readonly string[]): Promise<void> {
  session.say(`Installing with apt-get: ${packages.join(", ")}`);
  // Not cut short by Ctrl-C or anything else: that would leave the machine's packages half configured. Somebody else may be at it.
  const command = [...installing(packages), "--option", `DPkg::Lock::Timeout=${LOCK_SECONDS}`];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  try {
    await runUndisturbed(command, env);
  } catch {
    // apt's lists may be empty, as in a container image, or old.
    await run(["apt-get", "update"], { signal: session.signal, accept: [100] });
    await runUndisturbed(command, env);
  }
}

function extendPath(): void {
  const folders = (process.env.PATH ?? "").split(":");
  const absent = SYSTEM_FOLDERS.filter((folder) => !folders.includes(folder) && existsSync(folder));
  if (absent.length > 0) process.env.PATH = [...folders, ...absent].join(":");
}

function missingPackages(): string[] {
  const root = process.getuid?.() === 0;
  const missing = TOOLS.filter(
    (tool) => (!tool.nonRootOnly || !root) && Bun.which(tool.program, { PATH: process.env.PATH ?? "" }) === null,
  );
  return [...new Set(missing.map((tool) => tool.package))];
}
