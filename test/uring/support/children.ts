import { dlopen } from "bun:ffi";
import { addressOf, cString } from "uring-ublk/ffi";

const libc = dlopen("libc.so.6", {
  posix_spawn: { args: ["ptr", "ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  kill: { args: ["i32", "i32"], returns: "i32" },
}).symbols;

/** A shell that Bun knows nothing of, and therefore does not wait for; answers its process number. */
export function shell(script: string): number {
  const words = ["/bin/sh", "-c", script].map(cString);
  const pointers = new BigUint64Array([...words.map((word) => BigInt(addressOf(word))), 0n]);
  const none = new BigUint64Array(2); // an empty environment
  const pid = new Int32Array(new ArrayBuffer(4));
  const failed = libc.posix_spawn(
    addressOf(pid) as never,
    addressOf(words[0]!) as never,
    null,
    null,
    addressOf(pointers) as never,
    addressOf(none) as never,
  );
  if (failed !== 0) throw new Error(`posix_spawn failed: ${failed}`);
  return pid[0]!;
}

export function kill(pid: number, signal: number): void {
  if (libc.kill(pid, signal) < 0) throw new Error(`kill ${pid} failed`);
}
