// file timeout: 1200 s
// usual kernels: none
/** Latencies that the kernel counts, and what is left of that in its tracing: nothing. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cli } from "../support/cli.ts";
import { sh } from "../support/disk-tools.ts";
import { haveUblk, inVm, kernelAtLeast, requires, ublkTest } from "../support/requires.ts";
import { added, aroundServers, begun, ended, nothingLeft } from "./support.ts";

const TRACING = "/sys/kernel/tracing";
const t = inVm() ? ublkTest(false) : requires(false, "needs a machine whose tracing is ours");

interface Counted {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly buckets: readonly { readonly upToMicroseconds: number; readonly requests: number }[];
}
type Looked = readonly {
  readonly id: number;
  readonly ops: { readonly write: { readonly requests: number } };
  readonly latency: Readonly<Record<string, Counted>>;
}[];

aroundServers();
beforeAll(async () => {
  if (inVm() && haveUblk() && !existsSync(`${TRACING}/README`)) await sh(`mount -t tracefs nodev ${TRACING}`);
});
afterAll(async () => {
  if (existsSync(`${TRACING}/README`)) await sh(`umount ${TRACING}`);
});

/** Names of instances, and lines of events, that are this program's. */
function traces(): string[] {
  const events = readFileSync(`${TRACING}/dynamic_events`, "utf8").split("\n");
  return [...readdirSync(`${TRACING}/instances`), ...events].filter((text) => text.includes("uring_ublk_"));
}

/** Waits until everything is set up. */
async function counting(): Promise<void> {
  const set = (): boolean =>
    readdirSync(`${TRACING}/instances`).some((name) => {
      const path = join(TRACING, "instances", name, `events/synthetic/${name}_latency/trigger`);
      return existsSync(path) && readFileSync(path, "utf8").includes("hist:keys");
    });
  while (!set()) await Bun.sleep(20);
}

const writes = (path: string, count: number): Promise<string> => sh(`dd if=/dev/zero of="$1" bs=4k count=$2 oflag=direct`, path, count);
const reads = (path: string, count: number): Promise<string> => sh(`dd if="$1" of=/dev/null bs=4k count=$2 iflag=direct`, path, count);

async function looks(child: Bun.Subprocess): Promise<Looked[]> {
  const text = await new Response(child.stdout as ReadableStream<Uint8Array>).text();
  const status = await child.exited;
  if (status !== 0) throw new Error(`status ${status}: ${await new Response(child.stderr as ReadableStream<Uint8Array>).text()}`);
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Looked);
}

describe("uring-ublk stats --latency", () => {
  t("counts each request of a disk, by operation, and leaves nothing", async () => {
    const { path, pid } = await added("memory", "--size", "16MiB", "--id", "1");
    const other = await added("null", "--id", "2");
    const child = begun(["stats", "1", "--latency", "--watch", "--count", "1", "--interval", "20", "--json"]);
    await counting();
    await writes(path, 100);
    await reads(path, 50);
    await writes(other.path, 20);
    await sh(`blkdiscard -l 1M "$1"`, path);
    const [disks] = await looks(child);
    expect(disks!.map(({ id }) => id)).toEqual([1]);
    const { read, write, discard } = disks![0]!.latency;
    expect([write!.requests, discard!.requests]).toEqual([100, 1]);
    expect(read!.requests).toBeGreaterThanOrEqual(50); // udev reads, too
    expect(write!.requests).toBe(disks![0]!.ops.write.requests); // as the kernel counts in any case
    for (const { requests, p50, p99, max, buckets } of [read!, write!, discard!]) {
      expect(buckets.reduce((sum, bucket) => sum + bucket.requests, 0)).toBe(requests);
      expect(0 < p50 && p50 <= p99 && p99 <= max && max === buckets.at(-1)!.upToMicroseconds).toBe(true);
    }
    expect(traces()).toEqual([]);
    for (const server of [pid, other.pid]) {
      process.kill(server, "SIGTERM");
      await ended(server);
    }
    nothingLeft();
  });

  t("counts a disk of another program, and one that has come meanwhile from then on", async () => {
    const child = begun(["stats", "--latency", "--watch", "--count", "3", "--interval", "15", "--json"]);
    await Bun.sleep(3000);
    const server = Bun.spawn([process.execPath, join(import.meta.dir, "server.ts")], { stdout: "pipe", stderr: "inherit" });
    const id = Number.parseInt(new TextDecoder().decode((await server.stdout.getReader().read()).value), 10);
    await counting();
    await writes(`/dev/ublkb${id}`, 30);
    const found = (await looks(child)).flatMap((disks) => disks.map(({ latency }) => latency.write?.requests ?? 0));
    expect(found.reduce((sum, requests) => sum + requests, 0)).toBe(30);
    expect(traces()).toEqual([]);
    server.kill("SIGTERM");
    await server.exited;
    nothingLeft();
  });

  t("leaves nothing when it is told to end, and what is left of one that is killed hard the next one removes", async () => {
    const { id, pid } = await added("null");
    for (const [signal, status] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const child = begun(["stats", String(id), "--latency", "--watch"]);
      await counting();
      child.kill(signal);
      expect(await child.exited).toBe(status);
      expect(traces()).toEqual([]);
    }
    const killed = begun(["stats", "--latency", "--watch"]);
    await counting();
    const mine = await sh(
      `mkdir ${TRACING}/instances/mine; echo 's:mine u64 a' >> ${TRACING}/dynamic_events; cat ${TRACING}/dynamic_events`,
    );
    killed.kill("SIGKILL");
    await killed.exited;
    expect(traces()).toHaveLength(4);
    const { findings } = JSON.parse((await cli("doctor", "--json")).stdout) as { findings: unknown[] };
    expect(findings).toContainEqual(expect.objectContaining({ check: "tracing", level: "warning" }));
    expect(traces()).toHaveLength(4);
    const next = await cli("stats", String(id), "--latency", "--interval", "1");
    expect([next.status, next.stderr]).toEqual([0, ""]);
    expect(traces()).toEqual([]);
    // Nobody else's tracing was touched.
    expect(mine).toContain("synthetic/mine");
    expect(
      await sh(`cat ${TRACING}/dynamic_events; rmdir ${TRACING}/instances/mine; echo '-:mine' >> ${TRACING}/dynamic_events`),
    ).toContain("mine");
    process.kill(pid, "SIGTERM");
    await ended(pid);
    nothingLeft();
  });

  const known =
    kernelAtLeast("7.2") || !kernelAtLeast("6.13") ? t : requires(false, "how many there may be is known of Linux 6.12 and 7.2");
  known("can be two at a time, or says that this kernel lets only one", async () => {
    const { id, pid } = await added("null");
    const first = begun(["stats", String(id), "--latency", "--watch"], "ignore");
    await counting();
    const second = await cli("stats", String(id), "--latency", "--interval", "1");
    expect([second.status, second.stderr]).toEqual(
      kernelAtLeast("7.2") ? [0, ""] : [1, expect.stringContaining("this kernel lets only one at a time")],
    );
    expect(traces()).toHaveLength(4);
    first.kill("SIGTERM");
    await first.exited;
    expect(traces()).toEqual([]);
    process.kill(pid, "SIGTERM");
    await ended(pid);
    nothingLeft();
  });

  t("says what is missing", async () => {
    await sh(`umount ${TRACING}`);
    expect(await cli("stats", "--latency")).toMatchObject({
      status: 1,
      stderr: `uring-ublk: --latency needs the kernel's tracing, which is not mounted: mount -t tracefs nodev ${TRACING}\n`,
    });
  });
});
