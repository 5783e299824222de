import { describe, expect, test } from "bun:test";
import { ENTRIES, publicNames } from "./public-names.ts";

const names = publicNames();

describe("the documentation of the public names", () => {
  for (const entry of Object.keys(ENTRIES)) {
    const own = names.filter(({ name }) => name.startsWith(`${entry}: `));
    if (own.length === 0) continue; // the root entry only re-exports
    test(`is complete for ${entry}: every name, and every member of a class or interface`, () => {
      const missing = own.filter(({ documented }) => !documented).map(({ name, where }) => `${name} (${where})`);
      expect(missing).toEqual([]);
    });
  }

  test("covers names and members that are known to be there", () => {
    const known = names.map(({ name }) => name);
    expect(known).toContain("uring-ublk/uring: Ring");
    expect(known).toContain("uring-ublk/uring: Ring.run");
    expect(known).toContain("uring-ublk/ffi: Arena.bytes");
    expect(known.some((name) => name.includes("IORING_"))).toBe(false);
    expect(known.length).toBeGreaterThan(150);
  });
});
