import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Arena, addressOf, PAGE_SIZE, sys } from "uring-ublk/ffi";
import { mappings } from "../uring/support/descriptors.ts";

/** The lines of /proc/self/smaps about the mapping that holds an address. */
function smaps(address: number): Record<string, string> {
  const lines = readFileSync("/proc/self/smaps", "utf8").split("\n");
  const found: Record<string, string> = {};
  let inside = false;
  for (const line of lines) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range !== null) inside = Number.parseInt(range[1]!, 16) <= address && address < Number.parseInt(range[2]!, 16);
    else if (inside) found[line.slice(0, line.indexOf(":"))] = line.slice(line.indexOf(":") + 1).trim();
  }
  return found;
}

const kilobytes = (text: string | undefined): number => Number.parseInt(text ?? "-1", 10);

describe("an arena", () => {
  test("is page-aligned zeroed memory, rounded up to pages", () => {
    using arena = Arena.allocate(5000);
    expect(arena.address % PAGE_SIZE).toBe(0);
    expect(arena.length).toBe(2 * PAGE_SIZE);
    expect(arena.bytes().every((byte) => byte === 0)).toBe(true);
  });

  test("shows the same memory in every view", () => {
    using arena = Arena.allocate(PAGE_SIZE);
    arena.words(8, 1)[0] = 0x01020304;
    expect([...arena.bytes(8, 4)]).toEqual([4, 3, 2, 1]);
    expect(arena.view(8).getUint32(0, true)).toBe(0x01020304);
    expect(addressOf(arena.bytes(100, 1))).toBe(arena.address + 100);
  });

  test("knows what is its own", () => {
    using arena = Arena.allocate(PAGE_SIZE);
    using other = Arena.allocate(PAGE_SIZE);
    expect(arena.owns(arena.bytes(10, 20))).toBe(true);
    expect(arena.owns(other.bytes())).toBe(false);
    expect(arena.owns(new Uint8Array(8))).toBe(false);
  });

  test("refuses ranges outside itself, and lengths that make no sense", () => {
    using arena = Arena.allocate(PAGE_SIZE);
    for (const range of [
      [-1, 1],
      [0, PAGE_SIZE + 1],
      [PAGE_SIZE, 1],
      [0.5, 1],
      [0, -1],
    ] as const)
      expect(() => arena.bytes(...range)).toThrow(RangeError);
    expect(() => arena.words(0, PAGE_SIZE)).toThrow(RangeError);
    for (const length of [0, -1, 1.5, Number.NaN, 2 ** 33]) expect(() => Arena.allocate(length)).toThrow(/an arena holds 1 byte to 4 GiB/);
  });

  test("of 4 GiB works, and costs nothing until it is touched", () => {
    const before = mappings();
    using arena = Arena.allocate(2 ** 32);
    const last = arena.bytes(2 ** 32 - 1, 1);
    last[0] = 7;
    expect(arena.bytes(2 ** 32 - PAGE_SIZE, PAGE_SIZE)[PAGE_SIZE - 1]).toBe(7);
    expect(kilobytes(smaps(arena.address).Rss)).toBeLessThanOrEqual(4096); // one page, or one huge page
    expect(mappings() - before).toBeLessThanOrEqual(8); // the runtime's own come and go
  });

  test("maps pages only as they are touched, and without huge ones where that is asked for", () => {
    using arena = Arena.allocate(64 << 20, { noHugePages: true });
    expect(kilobytes(smaps(arena.address).Rss)).toBe(0);
    for (let at = 0; at < arena.length; at += 1 << 20) arena.bytes(at, 1)[0] = 1;
    const touched = smaps(arena.address);
    expect(kilobytes(touched.Rss)).toBe(64 * 4);
    expect(kilobytes(touched.AnonHugePages)).toBe(0);
    expect(touched.VmFlags).toContain("nh"); // MADV_NOHUGEPAGE
    expect(touched.VmFlags).toContain("dc"); // MADV_DONTFORK
  });

  test("can be populated at once", () => {
    using arena = Arena.allocate(1 << 20, { populate: true, noHugePages: true });
    expect(kilobytes(smaps(arena.address).Rss)).toBe(1024);
  });

  test("of a file shows the file, and outlives its descriptor", () => {
    const fd = sys.memfdCreate("arena");
    sys.pwrite(fd, new TextEncoder().encode("from the file"), 0);
    using arena = Arena.map(fd, 0, 13);
    sys.close(fd);
    expect(new TextDecoder().decode(arena.bytes())).toBe("from the file");
  });

  test("that cannot be mapped says why, and leaves nothing behind", () => {
    const before = mappings();
    expect(() => Arena.map(1_000_000, 0, 4096)).toThrow(/mmap: EBADF/);
    const fd = sys.memfdCreate("huge");
    for (let i = 0; i < 20; i++) expect(() => Arena.map(fd, 0, 2 ** 33)).toThrow(); // more than an ArrayBuffer can show
    sys.close(fd);
    expect(mappings() - before).toBeLessThanOrEqual(2);
  });
});

describe("a disposed arena", () => {
  test("leaves views that read nothing, store nothing and throw nothing worse than a TypeError", () => {
    const arena = Arena.allocate(PAGE_SIZE);
    const bytes = arena.bytes();
    const words = arena.words(16, 4);
    const view = arena.view();
    bytes.fill(7);
    arena.dispose();
    expect(arena.disposed).toBe(true);
    expect([bytes.length, words.length, bytes.byteOffset]).toEqual([0, 0, 0]);
    expect(bytes[0]).toBeUndefined();
    bytes[0] = 1;
    words[3] = 1;
    expect(() => bytes.fill(1)).toThrow(TypeError);
    expect(() => bytes.set([1])).toThrow();
    expect(() => view.getUint8(0)).toThrow(TypeError);
    expect(() => Atomics.load(words, 0)).toThrow();
    expect(() => addressOf(bytes)).toThrow(/detached/);
    expect(() => arena.bytes()).toThrow(/the arena is disposed/);
    expect(arena.owns(bytes)).toBe(false);
    arena.dispose(); // twice is fine
  });

  test("does not crash a loop that was compiled for it", () => {
    const sum = (words: Int32Array): number => {
      let total = 0;
      for (let i = 0; i < 1024; i++) total += words[i]! | 0;
      return total;
    };
    for (let round = 0; round < 300; round++) {
      const arena = Arena.allocate(PAGE_SIZE);
      const words = arena.words();
      words.fill(1);
      for (let i = 0; i < 50; i++) expect(sum(words)).toBe(1024);
      arena.dispose();
      expect(sum(words)).toBe(0);
      words[5] = 9;
    }
  });

  test("gives its address space back", () => {
    const before = mappings();
    for (let i = 0; i < 500; i++) Arena.allocate(1 << 20).dispose();
    expect(mappings() - before).toBeLessThanOrEqual(4);
  });

  test("is not freed by garbage collection while it lives", () => {
    using arena = Arena.allocate(PAGE_SIZE);
    for (let i = 0; i < 20; i++) {
      arena.bytes()[i] = i + 1;
      Bun.gc(true);
    }
    expect([...arena.bytes(0, 20)]).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });
});
