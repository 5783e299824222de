import { expect, test } from "bun:test";
import { sourcePackage } from "../../bench/floor/kublk.ts";

const packages = (...versions: string[]) =>
  versions.map((version) => ({
    name: `linux-source-${/^\d+\.\d+/.exec(version)?.[0]}`,
    version,
    file: `pool/${version}.deb`,
    dependencies: "",
  }));

const chosen = (series: string, ...versions: string[]): string | undefined => sourcePackage(packages(...versions), series)?.version;

test("the selftest server is built from the newest sources of the kernel's own series", () => {
  expect(chosen("7.2", "7.2.9-1~bpo13+1", "7.2.12-1~bpo13+1", "7.3.4-1~bpo13+1", "6.12.117-1")).toBe("7.2.12-1~bpo13+1");
});

test("where the mirror has none of that series, from the newest of all", () => {
  expect(chosen("7.0", "7.2.12-1", "7.10.1-1", "7.9.3-1")).toBe("7.10.1-1");
});

test("sources from before the selftests of ublk do not serve", () => {
  expect(chosen("6.12", "6.12.117-1", "7.2.12-1")).toBe("7.2.12-1");
  expect(chosen("6.12", "6.12.117-1")).toBeUndefined();
});

test("a package of another kind is not taken for sources", () => {
  expect(sourcePackage([{ name: "linux-source", version: "7.3.4-1", file: "pool/a.deb", dependencies: "" }], "7.3")).toBeUndefined();
});
