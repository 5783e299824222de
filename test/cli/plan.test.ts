import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArguments } from "../../src/cli/arguments.ts";
import { bundledUrl, moduleHere } from "../../src/cli/bundled.ts";
import type { CommandLine } from "../../src/cli/command-line.ts";
import { UsageError } from "../../src/cli/option.ts";
import { type Plan, planOf } from "../../src/cli/plan.ts";
import { TARGETS } from "../../src/cli/targets.ts";
import { checkIntegrityOptions } from "../../src/targets/integrity/options.ts";
import { checkZonedOptions } from "../../src/targets/zoned/options.ts";

const planned = (...words: string[]): Plan => planOf(parseArguments(["add", ...words]) as CommandLine);

describe("what add serves", () => {
  test("is a target with its options, and paths that do not depend on where the server runs", () => {
    expect(planned("loop", "a.img", "--create", "1m", "--direct", "always", "--read-only", "--queues", "2")).toEqual({
      module: "loop",
      file: undefined,
      options: { path: resolve("a.img"), create: 2 ** 20, direct: true, readOnly: true },
      serving: { queues: 2 },
    });
    expect(planned("stripe", "a", "/b", "--chunk", "4k").options).toEqual({ paths: [resolve("a"), "/b"], chunk: 4096 });
    expect(planned("memory", "--size", "1m", "--read-only", "--no-partition-scan", "--watchdog", "100")).toMatchObject({
      options: { size: 2 ** 20 },
      serving: { readOnly: true, partitionScan: false, watchdogMs: 100 },
    });
  });

  test("is a disk of zones, in memory or in a file, or a file with checksums beside it", () => {
    expect(planned("zoned", "--size", "64m", "--zone-size", "1m", "--max-open", "4").options).toEqual({
      size: 2 ** 26,
      zoneSize: 2 ** 20,
      maxOpen: 4,
    });
    const all = [
      "--size=8m",
      "--zone-size=1m",
      "--zone-capacity=768k",
      "--conventional=2",
      "--max-open=3",
      "--max-active=4",
      "--block-size=512",
    ];
    expect(planned("zoned", "z.img", ...all, "--recovery", "queue")).toEqual({
      module: "zoned",
      file: undefined,
      options: {
        path: resolve("z.img"),
        size: 2 ** 23,
        zoneSize: 2 ** 20,
        zoneCapacity: 768 * 1024,
        conventional: 2,
        maxOpen: 3,
        maxActive: 4,
        blockSize: 512,
      },
      serving: { recovery: "queue" },
    });
    expect(planned("integrity", "a").options).toEqual({ path: resolve("a") });
    const words = ["--create", "1m", "--checksum", "crc64-nvme", "--metadata-path", "sums", "--block-size", "512"];
    expect(planned("integrity", "/b", ...words).options).toEqual({
      path: "/b",
      create: 2 ** 20,
      checksum: "crc64-nvme",
      metadataPath: resolve("sums"),
      blockSize: 512,
    });
  });

  test("has options that the target knows, every one of them", () => {
    const zoned = planned(
      "zoned",
      "z",
      "--size=8m",
      "--zone-size=1m",
      "--zone-capacity=1m",
      "--conventional=1",
      "--max-open=1",
      "--max-active=1",
    );
    expect(checkZonedOptions(zoned.options as never)).toMatchObject({ size: 2 ** 23, zoneSize: 2 ** 20, maxActive: 1 });
    const integrity = planned("integrity", "a", "--create=1m", "--checksum=ip", "--metadata-path=m", "--block-size=512");
    expect(checkIntegrityOptions(integrity.options as never)).toMatchObject({ checksum: "ip", metadataPath: resolve("m"), blockSize: 512 });
  });

  test("is an NBD server's export, by name or address", () => {
    expect(planned("nbd", "host").options).toEqual({ host: "host" });
    expect(planned("nbd", "10.0.0.1:123", "--export", "e", "--answer-within", "5").options).toEqual({
      host: "10.0.0.1",
      port: 123,
      export: "e",
      timeoutMs: 5,
    });
    expect(planned("nbd", "[fe80::1]:7").options).toEqual({ host: "fe80::1", port: 7 });
    expect(planned("nbd", "::1").options).toEqual({ host: "::1" });
    expect(() => planned("nbd", "host:")).toThrow(new UsageError("add nbd takes HOST, HOST:PORT or [ADDRESS]:PORT, and not 'host:'"));
  });

  test("is a module, with what is set for it: JSON, or else text", () => {
    const plan = planned("./disk.ts", "--set", "size=1GiB", "--set", "n=5", "--set", 'deep={"a":[1]}', "--depth", "8");
    expect(plan).toEqual({
      module: pathToFileURL(resolve("disk.ts")),
      file: resolve("disk.ts"),
      options: { size: "1GiB", n: 5, deep: { a: [1] } },
      serving: { depth: 8 },
    });
    expect(planned("./disk.ts").options).toBeUndefined();
  });

  test("has a module for each of the package's targets, wherever the package was when the disk was made", () => {
    for (const { name } of TARGETS) {
      expect(bundledUrl(name).pathname).toEndWith(`/targets/${name}.ts`);
      expect(moduleHere(`file:///old/dist/target-${name}.js`)).toBe(bundledUrl(name).href);
      expect(moduleHere(`file:///$bunfs/root/target-${name}.js`)).toBe(bundledUrl(name).href);
    }
    expect(moduleHere("file:///srv/target-mine.js")).toBe("file:///srv/target-mine.js");
  });
});
