// The part of bootstrap.mjs that brings node_modules up to date, and does nothing when it is.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LOCK_PATIENCE_MS = 5 * 60_000;

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** The stamp covers what decides the contents of node_modules; editing a script in package.json changes nothing. */
function wantedStamp(root, manifest) {
  const lock = join(root, "package-lock.json");
  return createHash("sha256")
    .update(JSON.stringify([manifest.dependencies, manifest.devDependencies]))
    .update(existsSync(lock) ? readFileSync(lock) : "")
    .digest("hex");
}

/** Somebody ran `npm ci` by hand: npm's own record in node_modules then agrees with the lock file. */
function installedByHand(root) {
  const [lockPath, recordPath] = [join(root, "package-lock.json"), join(root, "node_modules/.package-lock.json")];
  if (!existsSync(lockPath) || !existsSync(recordPath)) return false;
  const installed = readJson(recordPath).packages;
  return Object.entries(readJson(lockPath).packages).every(
    ([path, wanted]) => path === "" || (wanted.optional && !installed[path]) || installed[path]?.version === wanted.version,
  );
}

function lockMatches(root, manifest) {
  const path = join(root, "package-lock.json");
  if (!existsSync(path)) return false;
  const locked = readJson(path).packages?.[""] ?? {};
  return JSON.stringify(locked.devDependencies ?? {}) === JSON.stringify(manifest.devDependencies ?? {});
}

function haveCommand(name) {
  return spawnSync(name, ["--version"], { stdio: "ignore" }).error === undefined;
}

function chooseInstaller(root, manifest) {
  if (haveCommand("npm")) {
    const inStep = lockMatches(root, manifest);
    // `npm ci` starts from an empty folder; an existing one is only brought up to date, since another task may use it.
    const verb = inStep && (process.env.CI || !existsSync(join(root, "node_modules"))) ? "ci" : "install";
    return ["npm", verb, "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  }
  const bun = process.versions.bun ? process.execPath : "bun";
  return haveCommand(bun) ? [bun, "install", "--no-save"] : undefined;
}

/** Two tasks started together must not install at once. A lock older than any install is a dead process's. */
function withLock(root, work) {
  const lock = join(tmpdir(), `uring-ublk-install-${createHash("sha256").update(root).digest("hex").slice(0, 12)}`);
  const deadline = Date.now() + LOCK_PATIENCE_MS;
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") break;
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > LOCK_PATIENCE_MS || Date.now() > deadline) break;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    return work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** Returns undefined when node_modules is ready, else one message that says what to do. */
export function installDependencies(root, manifest) {
  const stampPath = join(root, "node_modules", ".uring-ublk-stamp");
  const upToDate = () => existsSync(stampPath) && readFileSync(stampPath, "utf8") === wantedStamp(root, manifest);
  if (upToDate()) return undefined;
  return withLock(root, () => {
    if (upToDate()) return undefined;
    if (!installedByHand(root)) {
      const installer = chooseInstaller(root, manifest);
      if (!installer) return "neither npm nor bun found: install Node.js 18+ with npm, or Bun, and run this again";
      console.error(`bootstrap: installing development dependencies (${installer.slice(0, 2).join(" ")}) ...`);
      const answer = spawnSync(installer[0], installer.slice(1), { cwd: root, stdio: ["ignore", 2, 2] });
      if (answer.status !== 0) return installFailed(root, installer, answer);
    }
    writeFileSync(stampPath, wantedStamp(root, manifest));
    return undefined;
  });
}

function installFailed(root, installer, answer) {
  // A half-made node_modules must not look like one that is only stale.
  if (installer[1] === "ci") rmSync(join(root, "node_modules"), { recursive: true, force: true });
  const how = answer.error ? answer.error.message : `exit status ${answer.status ?? answer.signal}`;
  return (
    `"${installer.join(" ")}" failed (${how}). Installing needs a reachable npm registry (npm config get registry); ` +
    "on a machine without network copy node_modules from one that has it."
  );
}
