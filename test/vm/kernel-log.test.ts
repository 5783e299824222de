import { expect, test } from "bun:test";
import { kernelLines, kernelWarnings } from "./kernel-log.ts";

const warnings = (...lines: string[]) => kernelWarnings(kernelLines(lines.join("\n")));

test("only warnings and worse count, where the level is known", () => {
  const found = warnings("<6>[    1.0] loop: module loaded", "<4>[    2.0] something odd", "<13>[    3.0] user notice");
  expect(found).toEqual(["something odd"]);
});

test("on the console every kernel line counts, and nothing else does", () => {
  expect(warnings("[    1.5] something odd", "output of a program", "")).toEqual(["something odd"]);
});

test("a stack trace belongs to the message before it, at whatever level it is printed", () => {
  const found = warnings(
    "<3>[  80.1] INFO: task touch:7 blocked for more than 61 seconds.",
    "<3>[  80.1]       Not tainted 6.12.107 #1",
    "<6>[  80.1] task:touch           state:D",
    "<6>[  80.1] Call Trace:",
    "<6>[  80.1]  __schedule+0x505/0xc00",
    "<6>[  80.2] loop0: detected capacity change",
    "<6>[  80.2]  a detail of that",
  );
  expect(found).toHaveLength(1);
  expect(found[0]).toContain("__schedule");
  expect(found[0]).not.toContain("capacity");
});

test("a cut mark is followed by the complaint, however that looks", () => {
  const found = warnings(
    "<4>[    9.0] ------------[ cut here ]------------",
    "<4>[    9.0] WARNING: CPU: 0 PID: 7 at block/blk-mq.c:1 f+0x1/0x2",
    "<4>[    9.0] RIP: 0010:f+0x1/0x2",
    "<4>[    9.0] ---[ end trace 0000000000000000 ]---",
  );
  expect(found).toHaveLength(1);
  expect(found[0]).toStartWith("WARNING: CPU: 0");
});

test("errors that a device under test reports are no complaint, a hang of its clients is", () => {
  const found = warnings(
    "<3>[    9.0] Buffer I/O error on dev ublkb0, logical block 0, async page read",
    "<3>[    9.0] Buffer I/O error on dev dm-0, logical block 1024, async page read",
    "<3>[    9.1] INFO: task dd:9 blocked for more than 61 seconds on ublkb0.",
  );
  expect(found).toEqual(["INFO: task dd:9 blocked for more than 61 seconds on ublkb0."]);
});

test("what the kernel prints because we asked is no complaint", () => {
  expect(warnings("[   40.0] sysrq: Changing Loglevel", "[   40.1] task:touch state:D")).toEqual([]);
});
