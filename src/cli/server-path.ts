import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { stateDirectory } from "../ublk/index.ts";

/** Where the sockets of servers are: only their owner gets in, whatever a socket's own permissions are. */
const directory = (): string => join(stateDirectory(), "servers");

/** The socket of the server of a device. A device's next server has another, so neither takes the other's away. */
export const socketOf = (id: number, pid: number): string => join(directory(), `${id}-${pid}.sock`);

/** Makes the directory, and makes sure that it is ours alone. */
export function makeDirectory(): void {
  const path = directory();
  mkdirSync(stateDirectory(), { recursive: true, mode: 0o755 });
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(path);
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0)
    throw new Error(`${path} is open to others; it must be its owner's alone (mode 0700)`);
}

/** The sockets that are there, by device. */
export function sockets(): { readonly id: number; readonly pid: number; readonly path: string }[] {
  let names: string[] = [];
  try {
    names = readdirSync(directory());
  } catch {
    // There never was a server.
  }
  return names.flatMap((name) => {
    const [, id, pid] = /^(\d+)-(\d+)\.sock$/.exec(name) ?? [];
    return pid === undefined ? [] : [{ id: Number(id), pid: Number(pid), path: join(directory(), name) }];
  });
}

/** Removes what a device's killed servers have left. */
export function removeSockets(id: number, but?: number): void {
  for (const { id: device, pid, path } of sockets()) {
    if (device !== id || pid === but) continue;
    try {
      rmSync(path, { force: true });
    } catch {
      // It cannot be removed, and harms nobody.
    }
  }
}
