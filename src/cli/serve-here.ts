import type { UblkDevice } from "../ublk/index.ts";
import type { Front } from "./front.ts";
import type { Output } from "./output.ts";
import { ServerSocket } from "./server-socket.ts";

/**
 * Serves a disk in this process until it is stopped, or handed over: by a signal (the library's own listeners stop it, SIGUSR2 hands it over),
 * or by another process of this program through a socket.
 */
export async function serveHere(begin: () => Promise<UblkDevice>, front: Front, output: Output): Promise<number> {
  const disk = await begin();
  disk.on("state", (state) => {
    if (state === "stopping") void front.stopping();
  });
  // SIGUSR2 asks for the disk: another process is about to serve it.
  process.on("SIGUSR2", () => {
    disk.handOver().catch((error: Error) => output.message(error.message));
  });
  const socket = ServerSocket.open(disk, output);
  try {
    let wanted = false;
    try {
      wanted = await front.ready({ path: disk.path, id: disk.id, pid: process.pid });
    } finally {
      if (!wanted) await disk.stop();
    }
    if (!wanted) return 1;
    await disk.finished;
  } finally {
    await socket?.close();
  }
  output.message(disk.state === "left" ? `${disk.path} waits for another server` : `${disk.path} is stopped`);
  return 0;
}
