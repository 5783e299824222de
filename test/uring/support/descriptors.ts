import { dlopen } from "bun:ffi";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { O_CLOEXEC, sys } from "uring-ublk/ffi";

// What the library has no need of, but its tests do.
const libc = dlopen("libc.so.6", {
  pipe2: { args: ["ptr", "i32"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  accept4: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
}).symbols;

export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
const AF_INET = 2;

function check(what: string, result: number): number {
  if (result < 0) throw new Error(`${what} failed`);
  return result;
}

/** A pair of descriptors that closes itself at the end of the scope. */
export class Pair implements Disposable {
  #open = true;

  constructor(
    readonly first: number,
    readonly second: number,
  ) {}

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    sys.close(this.first);
    sys.close(this.second);
  }
}

/** An empty pipe: reads from `first` wait for what is written to `second`. */
export function pipe(): Pair {
  const fds = new Int32Array(new ArrayBuffer(8));
  check("pipe2", libc.pipe2(fds, O_CLOEXEC));
  return new Pair(fds[0]!, fds[1]!);
}

export function socketPair(type = SOCK_STREAM): Pair {
  return new Pair(...sys.socketpair(AF_UNIX, type));
}

/** Two ends of a TCP connection over the loopback interface. */
export function tcpPair(): Pair {
  // struct sockaddr_in: 127.0.0.1, and port 0 lets the kernel choose
  const address = new Uint8Array(new ArrayBuffer(16));
  address.set([AF_INET, 0, 0, 0, 127, 0, 0, 1]);
  const length = new Uint32Array(new ArrayBuffer(4));
  length[0] = 16;
  const listener = check("socket", libc.socket(AF_INET, SOCK_STREAM | O_CLOEXEC, 0));
  check("bind", libc.bind(listener, address, 16));
  check("listen", libc.listen(listener, 1));
  check("getsockname", libc.getsockname(listener, address, length));
  const client = check("socket", libc.socket(AF_INET, SOCK_STREAM | O_CLOEXEC, 0));
  check("connect", libc.connect(client, address, 16));
  const server = check("accept4", libc.accept4(listener, null, null, O_CLOEXEC));
  sys.close(listener);
  return new Pair(client, server);
}

/** A folder that vanishes at the end of the scope. */
export class TemporaryFolder implements Disposable {
  readonly path: string;

  constructor(parent = tmpdir()) {
    this.path = mkdtempSync(join(parent, "uring-ublk-test-"));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A file in memory, with the given content. */
export function memoryFile(content: Uint8Array = new Uint8Array(0)): Pair {
  const fd = sys.memfdCreate("uring-ublk-test");
  if (content.length > 0) sys.pwrite(fd, content, 0);
  return new Pair(fd, sys.fcntl(fd, 1030)); // F_DUPFD_CLOEXEC
}

/** Bytes that repeat late enough for a shifted copy to be noticed. */
export function pattern(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed * 17) & 0xff;
  return bytes;
}

/** Descriptors that this process has open. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Waits until there are no more than that, for what Bun closes it may close a little later; answers how many there are. */
export async function descriptorsDownTo(most: number): Promise<number> {
  for (let i = 0; i < 400 && openDescriptors() > most; i++) await Bun.sleep(5);
  return openDescriptors();
}

/** Descriptors of this process that are of a kind: sockets, if not told otherwise. What Bun opens and closes when it likes are others. */
export function openOf(kind = "socket:"): number {
  let count = 0;
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith(kind)) count++;
    } catch {
      // closed since it was listed
    }
  }
  return count;
}

/** Waits until there are no more of a kind than that; answers how many there are. */
export async function downTo(most: number, kind = "socket:"): Promise<number> {
  for (let i = 0; i < 400 && openOf(kind) > most; i++) await Bun.sleep(5);
  return openOf(kind);
}

/** Mappings of io_uring rings, by what /proc/self/maps calls them. */
export function ringMappings(): number {
  return readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.includes("io_uring")).length;
}

/** All mappings of this process. */
export function mappings(): number {
  return readFileSync("/proc/self/maps", "utf8").split("\n").length;
}
