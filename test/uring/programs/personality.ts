// Opens a file that only root may read: as root, as nobody, and as nobody with root's personality. Says how each ended.
import { dlopen } from "bun:ffi";
import { openat, Ring } from "uring-ublk";
import { sys } from "uring-ublk/ffi";

const SYS_SETRESUID = 117;
// The bare system call changes this thread only; libc's function would change all of them.
const { syscall } = dlopen("libc.so.6", { syscall: { args: ["i32", "i32", "i32", "i32"], returns: "i32" } }).symbols;

const path = process.argv[2]!;
const ring = await Ring.open({ entries: 8 });
const { register } = ring.raw;
const root = register.personality();
const outcomes: string[] = [];
const open = async (operation = openat({ path })): Promise<void> => {
  const settled = await ring.settle(operation);
  if (settled.status === "fulfilled") sys.close(settled.value);
  outcomes.push(settled.status === "fulfilled" ? "opened" : (settled.reason as { code: string }).code);
};
await open();
if (syscall(SYS_SETRESUID, -1, 65534, -1) !== 0) throw new Error("setresuid failed");
await open();
await open(openat({ path }).personality(root));
await open(openat({ path }).personality(root + 1));
register.unregisterPersonality(root);
await open(openat({ path }).personality(root));
syscall(SYS_SETRESUID, -1, 0, -1);
console.log(outcomes.join(" "));
await ring.close();
