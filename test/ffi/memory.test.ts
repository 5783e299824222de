import { describe, expect, test } from "bun:test";
import { Arena, addressOf, high32, isDetached, join64, low32 } from "uring-ublk/ffi";

describe("the address of memory", () => {
  test("does not change, however small the view and whatever is done to it", () => {
    for (const size of [1, 16, 100, 1000, 1001, 5000]) {
      const views = Array.from({ length: 20 }, () => new Uint8Array(size));
      const addresses = views.map(addressOf);
      for (const view of views) void view.buffer.byteLength;
      Bun.gc(true);
      for (const view of views) view.subarray(0, 1)[0] = 1;
      expect(views.map(addressOf)).toEqual(addresses);
    }
    const buffer = Buffer.alloc(16);
    const at = addressOf(buffer);
    void buffer.buffer;
    expect(addressOf(buffer)).toBe(at);
  });

  test("includes the view's offset", () => {
    const whole = new ArrayBuffer(64);
    expect(addressOf(new Uint8Array(whole, 24, 8)) - addressOf(whole)).toBe(24);
    expect(addressOf(new DataView(whole, 3)) - addressOf(whole)).toBe(3);
    expect(addressOf(new Float64Array(whole, 8)) - addressOf(whole)).toBe(8);
    expect(addressOf(new Uint8Array(whole, 40, 0)) - addressOf(whole)).toBe(40);
  });

  test("is known for shared memory and arenas, and 0 for nothing", () => {
    const shared = new SharedArrayBuffer(64);
    expect(addressOf(shared)).toBeGreaterThan(0);
    expect(addressOf(new Uint8Array(shared, 8))).toBe(addressOf(shared) + 8);
    using arena = Arena.allocate(4096);
    expect(addressOf(arena.bytes())).toBe(arena.address);
    expect(addressOf(new ArrayBuffer(0))).toBe(0);
    expect(addressOf(new Uint8Array(0))).toBe(0);
  });

  test("is refused for memory that was transferred away", () => {
    const view = new Uint8Array(64);
    const { buffer } = view;
    expect(isDetached(view)).toBe(false);
    buffer.transfer();
    expect(isDetached(view)).toBe(true);
    expect(isDetached(buffer)).toBe(true);
    expect(() => addressOf(view)).toThrow(/detached/);
    expect(() => addressOf(buffer)).toThrow(TypeError);
  });
});

describe("64-bit values in two words", () => {
  test("are exact below 2^53, and -1 means all bits", () => {
    for (const value of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 2 ** 32, 2 ** 32 + 5, 2 ** 47 + 12345, Number.MAX_SAFE_INTEGER]) {
      expect(join64(low32(value), high32(value))).toBe(value);
    }
    expect([low32(-1), high32(-1)]).toEqual([-1, -1]);
  });
});
