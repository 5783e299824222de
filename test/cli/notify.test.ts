import { afterEach, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { AF_UNIX, bind, close, Ring, recv, SOCK_DGRAM, type SocketAddress, socket } from "uring-ublk";
import { Notifier } from "../../src/cli/notify.ts";
import { kernelAtLeast, requires } from "../support/requires.ts";

const t = requires(kernelAtLeast("6.11"), "the test's own socket needs IORING_OP_BIND, Linux 6.11");
const path = `/tmp/uring-ublk-notify-${process.pid}.sock`;

/** What a supervisor at an address is told. */
async function told(address: SocketAddress, name: string, text: string): Promise<string> {
  await using ring = await Ring.open({ entries: 4 });
  const fd = await ring.run(socket({ domain: AF_UNIX, type: SOCK_DGRAM }));
  await ring.run(bind({ fd, address }));
  process.env.NOTIFY_SOCKET = name;
  const notifier = new Notifier();
  expect(process.env.NOTIFY_SOCKET).toBeUndefined();
  const buffer = new Uint8Array(256);
  const [bytes] = await Promise.all([ring.run(recv({ fd, buffer })), notifier.send(text)]);
  await ring.run(close({ fd }));
  return new TextDecoder().decode(buffer.subarray(0, bytes));
}

afterEach(() => rmSync(path, { force: true }));

describe("a supervisor", () => {
  t("is told by a datagram to a socket in the file system", async () => {
    expect(await told({ family: "unix", path }, path, "READY=1\nMAINPID=7")).toBe("READY=1\nMAINPID=7");
  });

  t("is told by a datagram to an abstract socket", async () => {
    const abstract = `uring-ublk-notify-${process.pid}`;
    expect(await told({ family: "unix", abstract }, `@${abstract}`, "STOPPING=1")).toBe("STOPPING=1");
  });

  test("that there is not is told nothing, and one that is gone is an error", async () => {
    await new Notifier().send("READY=1");
    process.env.NOTIFY_SOCKET = "/tmp/uring-ublk-nobody.sock";
    expect(await new Notifier().send("READY=1").catch((error: { code: string }) => error.code)).toBe("ENOENT");
  });
});
