import { describe, expect, test } from "bun:test";
import { rangesOf } from "../../src/cli/affinity.ts";
import { meanOf, parseStat, since } from "../../src/cli/disk-stat.ts";
import { statsJson, statsText, timeText } from "../../src/cli/stats-view.ts";

const BEFORE =
  "     100        0     2000       50      200        7     4096      400        3      900      500        4        0     8192       20        6       30\n";
const NOW =
  "     300        0     4000      150      200        7     4096      400        0     1400      700        4        0     8192       20        8       50\n";

describe("what the kernel counts of a disk", () => {
  test("is requests, bytes and time of each kind of request", () => {
    expect(parseStat(BEFORE)).toEqual({
      ops: {
        read: { requests: 100, bytes: 2000 * 512, ms: 50 },
        write: { requests: 200, bytes: 4096 * 512, ms: 400 },
        discard: { requests: 4, bytes: 8192 * 512, ms: 20 },
        flush: { requests: 6, bytes: 0, ms: 30 },
      },
      open: 3,
      busyMs: 900,
    });
    expect(parseStat("1 0 8 2 0 0 0 0 0 2 2").ops.flush).toEqual({ requests: 0, bytes: 0, ms: 0 });
  });

  test("makes rates between two looks, and means where there were requests", () => {
    const rates = since(parseStat(BEFORE), parseStat(NOW));
    expect(rates.ops.read).toEqual({ requests: 200, bytes: 2000 * 512, ms: 100 });
    expect([meanOf(rates.ops.read), meanOf(rates.ops.write)]).toEqual([500, undefined]);
    expect(rates.busyMs).toBe(500);
  });

  test("is shown as totals, or by the second", () => {
    expect(statsText([{ id: 0, seconds: undefined, stat: parseStat(BEFORE) }])).toBe(
      [
        "DISK         OP       REQUESTS  BYTES     MEAN    OPEN  BUSY",
        "/dev/ublkb0  read     100       1000 KiB  500 us  3     900 ms",
        "             write    200       2 MiB     2 ms",
        "             discard  4         4 MiB     5 ms",
        "             flush    6         0 B       5 ms",
        "",
      ].join("\n"),
    );
    expect(statsText([{ id: 1, seconds: 2, stat: since(parseStat(BEFORE), parseStat(NOW)) }])).toBe(
      [
        "DISK         OP     IOPS  BYTES      MEAN    OPEN  BUSY",
        "/dev/ublkb1  read   100   500 KiB/s  500 us  0     25 %",
        "             write  0     0 B/s      -",
        "             flush  1     0 B/s      10 ms",
        "",
      ].join("\n"),
    );
    expect([timeText(1), timeText(1500), timeText(2_500_000)]).toEqual(["1 us", "1.5 ms", "2.5 s"]);
  });

  test("is JSON for programs, a line for each look while watching", () => {
    const row = { id: 0, seconds: 2, stat: since(parseStat(BEFORE), parseStat(NOW)) };
    const lines = statsJson([row], true);
    expect(lines.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(lines)).toMatchObject([
      {
        id: 0,
        path: "/dev/ublkb0",
        seconds: 2,
        ops: {
          read: { requests: 200, iops: 100, bytesPerSecond: 512_000, meanMicroseconds: 500 },
          write: { iops: 0, meanMicroseconds: null },
        },
      },
    ]);
    expect(JSON.parse(statsJson([{ ...row, seconds: undefined }], false))[0].ops.read).toEqual({
      requests: 200,
      bytes: 1_024_000,
      ms: 100,
      meanMicroseconds: 500,
    });
  });
});

test("CPUs are written as ranges", () => {
  expect([rangesOf([0, 1, 2, 5, 7, 8]), rangesOf([3]), rangesOf([])]).toEqual(["0-2,5,7-8", "3", ""]);
});
