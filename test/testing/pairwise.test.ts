import { describe, expect, test } from "bun:test";
import { pairsOf, pairwise, product } from "../support/pairwise.ts";

const DIMENSIONS = { color: ["red", "green", "blue"], size: [1, 2, 3, 4], shape: ["round", "square"], loud: ["yes", "no"] } as const;

describe("rows that hold every pair", () => {
  test("are few, and hold every pair of values", () => {
    for (let seed = 0; seed < 20; seed++) {
      const rows = pairwise(DIMENSIONS, seed);
      const pairs = new Set(rows.flatMap((row) => pairsOf(row)));
      expect(pairs).toEqual(new Set(product(DIMENSIONS).flatMap((row) => pairsOf(row))));
      expect(pairs.size).toBe(3 * 4 + 3 * 2 * 2 + 4 * 2 * 2 + 2 * 2);
      expect(rows.length).toBeGreaterThanOrEqual(12); // three colours times four sizes
      expect(rows.length).toBeLessThanOrEqual(15);
    }
  });

  test("are the same for the same seed, and others for another", () => {
    expect(pairwise(DIMENSIONS, 7)).toEqual(pairwise(DIMENSIONS, 7));
    expect(pairwise(DIMENSIONS, 7)).not.toEqual(pairwise(DIMENSIONS, 8));
  });

  test("leave out what is not allowed, and hold every pair that is left", () => {
    const allows = ({ color, size }: { color: string; size: number }): boolean => color !== "red" || size < 3;
    const rows = pairwise(DIMENSIONS, 1, allows);
    expect(rows.every(allows)).toBe(true);
    expect(new Set(rows.flatMap((row) => pairsOf(row)))).toEqual(new Set(product(DIMENSIONS, allows).flatMap((row) => pairsOf(row))));
  });

  test("are one for one value of each", () => {
    expect(pairwise({ a: [1], b: [2] }, 0)).toEqual([{ a: 1, b: 2 }]);
  });
});
