import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseStat } from "../../src/cli/disk-stat.ts";
import { droppedIn, latencySince, parseHistograms, percentile } from "../../src/cli/latency/histogram.ts";
import { leftAmong, ownName } from "../../src/cli/latency/owner.ts";
import { leftNames } from "../../src/cli/latency/traced.ts";
import { usableTracefs } from "../../src/cli/latency/tracefs.ts";
import { statsJson, statsText } from "../../src/cli/stats-view.ts";

const folder = mkdtempSync(join(tmpdir(), "uring-ublk-latency-"));
afterAll(() => rmSync(folder, { recursive: true }));

const HEAD = "# event histogram\n#\n# trigger info: hist:keys=dev,op,lat.log2:vals=hitcount:sort=hitcount:size=16384 [active]\n#\n\n";
const TAIL = "\nTotals:\n    Hits: 116\n    Entries: 5\n    Dropped: 7\n";
const line = (dev: number, op: number, bucket: number, requests: number): string =>
  `{ dev: ${String(dev).padStart(10)}, op: ${String(op).padStart(10)}, lat: ~ 2^${String(bucket).padEnd(2)} } hitcount: ${String(requests).padStart(10)}\n`;
const EARLIER = HEAD + line(271581184, 0, 20, 5) + line(271581184, 0, 9, 10) + TAIL;
const NOW = `${
  HEAD +
  line(271581185, 0, 9, 3) +
  line(271581184, 2, 21, 1) +
  line(271581184, 0, 20, 10) +
  line(271581184, 0, 12, 4) +
  line(271581184, 0, 9, 100)
}${TAIL}`;

const since = () => latencySince(parseHistograms(EARLIER).get(271581184), parseHistograms(NOW).get(271581184)!);

describe("histograms of latencies", () => {
  test("are read from the kernel's file, by disk and operation", () => {
    expect([...parseHistograms(NOW).keys()].sort()).toEqual([271581184, 271581185]);
    expect(parseHistograms(NOW).get(271581185)).toEqual(new Map([[0, new Map([[9, 3]])]]));
    expect(parseHistograms(HEAD + TAIL).size).toBe(0);
    expect(droppedIn(NOW)).toBe(7);
  });

  test("are what came between two looks, from the shortest on", () => {
    expect([...since()].map(([op, buckets]) => [op, [...buckets]])).toEqual([
      [
        0,
        [
          [9, 90],
          [12, 4],
          [20, 5],
        ],
      ],
      [2, [[21, 1]]],
    ]);
    expect(latencySince(parseHistograms(NOW).get(271581184), parseHistograms(NOW).get(271581184)!).size).toBe(0);
  });

  test("have percentiles, which are the ends of their buckets", () => {
    const reads = since().get(0)!;
    expect([0.5, 0.9, 0.94, 0.99, 1].map((share) => percentile(reads, share))).toEqual([0.512, 0.512, 4.096, 1048.576, 1048.576]);
  });

  test("are shown with a bar for each bucket, gaps included", () => {
    const text = statsText([{ id: 3, seconds: 2, stat: parseStat("1 0 8 2 0 0 0 0 0 2 2"), latency: since() }]);
    expect(text.slice(text.indexOf("/dev/ublkb3 read:"))).toBe(
      `/dev/ublkb3 read: 99 requests, p50 <= 512 ns, p90 <= 512 ns, p99 <= 1 ms, max <= 1 ms
  <= 512 ns         90  ${"#".repeat(50)}
  <= 1 us            0
  <= 2 us            0
  <= 4 us            4  ###
  <= 8 us            0
  <= 16 us           0
  <= 33 us           0
  <= 66 us           0
  <= 131 us          0
  <= 262 us          0
  <= 524 us          0
  <= 1 ms            5  ###

/dev/ublkb3 flush: 1 requests, p50 <= 2.1 ms, p90 <= 2.1 ms, p99 <= 2.1 ms, max <= 2.1 ms
  <= 2.1 ms          1  ${"#".repeat(50)}
`,
    );
  });

  test("are JSON with the buckets, and only where they were asked for", () => {
    const row = { id: 3, seconds: 2, stat: parseStat("1 0 8 2 0 0 0 0 0 2 2") };
    expect(JSON.parse(statsJson([{ ...row, latency: since() }], true))[0].latency).toEqual({
      read: {
        requests: 99,
        p50: 0.512,
        p90: 0.512,
        p99: 1048.576,
        max: 1048.576,
        buckets: [
          { upToMicroseconds: 0.512, requests: 90 },
          { upToMicroseconds: 4.096, requests: 4 },
          { upToMicroseconds: 1048.576, requests: 5 },
        ],
      },
      flush: expect.objectContaining({ requests: 1 }),
    });
    expect(JSON.parse(statsJson([row], true))[0]).not.toHaveProperty("latency");
  });
});

describe("the kernel's tracing", () => {
  const btf = join(folder, "vmlinux");
  const place = join(folder, "tracing");
  const refusal = (isRoot: boolean): string => {
    try {
      return usableTracefs(place, btf, isRoot);
    } catch (error) {
      return (error as Error).message;
    }
  };

  test("is asked for what is missing, with what would help", () => {
    expect(refusal(false)).toBe("--latency needs root: the kernel's tracing is for root alone; start it with sudo");
    expect(refusal(true)).toContain("this kernel has none (CONFIG_FTRACE)");
    mkdirSync(join(place, "instances"), { recursive: true });
    expect(refusal(true)).toBe(`--latency needs the kernel's tracing, which is not mounted: mount -t tracefs nodev ${place}`);
    writeFileSync(join(place, "README"), "hist:keys=<field1>\n");
    expect(refusal(true)).toBe(
      "--latency needs what this kernel has not: no probes on tracepoints (CONFIG_FPROBE_EVENTS, Linux 6.5), no synthetic events (CONFIG_SYNTH_EVENTS), no description of its types (CONFIG_DEBUG_INFO_BTF); Debian's kernels have it since 6.12",
    );
    writeFileSync(join(place, "README"), "t[:[<group>/][<event>]] <tracepoint>\nhist:keys=<field1>\nsynthetic_events\n");
    writeFileSync(btf, "");
    expect(refusal(true)).toBe(place);
  });

  test("is told apart by process: what a process has set up that lives is left alone", () => {
    const gone = `uring_ublk_${process.pid}_1`; // the same number, but of another process
    mkdirSync(join(place, "instances", ownName()), { recursive: true });
    mkdirSync(join(place, "instances", gone));
    mkdirSync(join(place, "instances", "somebody_else"));
    writeFileSync(
      join(place, "dynamic_events"),
      `t:${gone}/issue block_rq_issue\ns:synthetic/uring_ublk_1_99999_latency\tu64 lat\np:mine/e do_sys_open\n`,
    );
    expect(leftNames(place)).toEqual([gone, "uring_ublk_1_99999"]);
    expect(leftAmong([ownName()])).toEqual([]);
  });
});
