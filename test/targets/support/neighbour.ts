/**
 * Another program that uses a file as a disk would: it touches it under the lock only, and expects the same of everybody else.
 * `resize` gives it ever new sizes; `keep` looks whether it stays where it is. Ends with status 1 when somebody broke the rule.
 */
import { fstatSync, ftruncateSync, statSync } from "node:fs";
import { LOCK_EX, LOCK_NB, O_RDWR, sys } from "uring-ublk/ffi";

const [path = "", what] = process.argv.slice(2);
const HOLD_MS = 2;

function isThere(fd: number): boolean {
  const [mine, there] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
  return there !== undefined && there.ino === mine.ino;
}

function resize(fd: number): void {
  ftruncateSync(fd, 4096 * (1 + Math.floor(Math.random() * 64)));
}

function keep(fd: number): void {
  if (!isThere(fd)) return; // removed before it was locked
  for (const until = performance.now() + HOLD_MS; performance.now() < until; ) {
    if (isThere(fd)) continue;
    console.log("the file was removed though it is locked");
    process.exit(1);
  }
}

function visit(): void {
  let fd = -1;
  try {
    fd = sys.open(path, O_RDWR);
    sys.flock(fd, LOCK_EX | LOCK_NB);
  } catch {
    if (fd >= 0) sys.close(fd);
    return; // not there, or locked
  }
  if (what === "resize") resize(fd);
  else keep(fd);
  sys.close(fd);
}

process.stdin.once("data", () => process.exit(0));
console.log("ready");
setInterval(() => {
  for (const until = performance.now() + 20; performance.now() < until; ) visit();
}, 0);
