/** What the mirror keeps of its legs, and how it chooses among them. */
import { describe, expect, test } from "bun:test";
import { Health } from "../../src/targets/mirror/health.ts";
import { ReadBalance } from "../../src/targets/mirror/reads.ts";
import { until } from "../ublk/support/machine.ts";

const MIB = 2 ** 20;

describe("the health of legs", () => {
  const paths = ["/a", "/b", "/c"];

  test("is common to all that look, each leg fails once, and the last one never", () => {
    const words = Health.allocate(3);
    const [mine, theirs] = [new Health(words, paths), new Health(words, paths)];
    expect([mine.fail(1, -28), theirs.fail(1, -5), theirs.failed]).toEqual(["now", "before", 0b10]);
    expect(theirs.describe(1)).toMatchObject({ path: "/b", error: { code: "ENOSPC", errno: -28 } });
    expect(theirs.describe(1).error.message).toMatch(/^mirror: paths\[1\] '\/b': ENOSPC \(a write to it failed: it is out of date/);
    expect([theirs.fail(0, -5), mine.fail(2, -5), theirs.fail(2, -5), mine.failed]).toEqual(["now", "last", "last", 0b11]);
  });

  test("is told to whoever watches, also of what failed before, and until it is closed", async () => {
    const words = Health.allocate(3);
    const health = new Health(words, paths);
    const told: string[] = [];
    health.fail(2, -5);
    const watch = health.watch(({ path, error }) => void told.push(`${path} ${error.code}`));
    new Health(words, paths).fail(0, -28);
    await until(() => told.length === 2, "told");
    health.close();
    await watch;
    expect(told).toEqual(["/c EIO", "/a ENOSPC"]);
    expect(health.failed).toBe(0b101);
  });
});

test("reads take the legs in turn, stay where a stream goes, and leave out what is excluded", () => {
  const reads = new ReadBalance(3);
  const far = [100, 200, 300, 400].map((offset) => reads.choose(offset * MIB, 4096, 0));
  expect(far).toEqual([0, 1, 2, 0]);
  const stream = [1, 2, 3].map((i) => reads.choose(200 * MIB + i * 4096, 4096, 0));
  expect(stream).toEqual([1, 1, 1]);
  expect(reads.choose(200 * MIB + 4 * 4096, 4096, 0b010)).not.toBe(1);
  expect(reads.choose(0, 4096, 0b111)).toBe(-1);
  expect([1, 2, 3].map((i) => reads.choose(i * 10 * MIB, 512, 0b011))).toEqual([2, 2, 2]);
});
