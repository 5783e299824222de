import { describe, expect, test } from "bun:test";
import { decodeSocketAddress, encodeSocketAddress, type SocketAddress } from "uring-ublk";

const there = (address: SocketAddress): SocketAddress => decodeSocketAddress(encodeSocketAddress(address));
const ipv6 = (address: string): SocketAddress => ({ family: "ipv6", address, port: 1 });
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("a socket address", () => {
  test("has the kernel's bytes", () => {
    expect(hex(encodeSocketAddress({ family: "ipv4", address: "192.0.2.255", port: 0x1234 }))).toBe("02001234c00002ff0000000000000000");
    expect(hex(encodeSocketAddress({ family: "ipv6", address: "2001:db8::7", port: 443, flowInfo: 5, scopeId: 3 }))).toBe(
      "0a0001bb0000000520010db800000000000000000000000703000000",
    );
    expect(hex(encodeSocketAddress({ family: "unix", path: "/a" }))).toBe("01002f6100");
    expect(hex(encodeSocketAddress({ family: "unix", abstract: "ab" }))).toBe("0100006162");
    expect(hex(encodeSocketAddress({ family: "unix" }))).toBe("0100");
    expect(hex(encodeSocketAddress({ family: "other", bytes: Uint8Array.of(16, 0, 1, 2) }))).toBe("10000102");
  });

  test("comes back as it went", () => {
    for (const address of [
      { family: "ipv4", address: "0.0.0.0", port: 0 },
      { family: "ipv4", address: "255.255.255.255", port: 65535 },
      { family: "ipv6", address: "::", port: 0, flowInfo: 0, scopeId: 0 },
      { family: "ipv6", address: "fe80::1", port: 65535, flowInfo: 0xfffff, scopeId: 0xffffffff },
      { family: "unix" },
      { family: "unix", path: "/tmp/Straße" },
      { family: "unix", path: "x".repeat(107) },
      { family: "unix", abstract: "name" },
      { family: "unix", abstract: "y".repeat(107) },
      { family: "unix", abstract: "with\0zero" },
    ] as const) {
      expect(there(address)).toEqual(address);
    }
    expect(there({ family: "unix", abstract: "" })).toEqual({ family: "unix", abstract: "" });
    expect(there({ family: "other", bytes: Uint8Array.of(40, 0, 9) })).toEqual({ family: "other", bytes: Uint8Array.of(40, 0, 9) });
  });

  test("writes IPv6 the canonical way", () => {
    for (const [written, canonical] of [
      ["0:0:0:0:0:0:0:1", "::1"],
      ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
      ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
      ["1:0:0:0:0:0:0:0", "1::"],
      ["::1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"],
      ["1::8", "1::8"],
      ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
      ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
      ["1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"],
    ] as const) {
      expect(there(ipv6(written))).toMatchObject({ family: "ipv6", address: canonical });
    }
  });

  test("round-trips for random IPv6 addresses, through their text", () => {
    for (let round = 0; round < 2000; round++) {
      const bytes = new Uint8Array(28);
      bytes[0] = 10;
      for (let i = 8; i < 24; i += 2) {
        const group = round % 3 === 0 && Math.random() < 0.6 ? 0 : Math.floor(Math.random() * 65536);
        bytes[i] = group >> 8;
        bytes[i + 1] = group & 255;
      }
      expect(encodeSocketAddress(decodeSocketAddress(bytes))).toEqual(bytes);
    }
  });

  test("never throws for bytes that are none", () => {
    for (let round = 0; round < 2000; round++) {
      const bytes = crypto.getRandomValues(new Uint8Array(Math.floor(Math.random() * 40)));
      if (bytes.length > 1 && round % 2 === 0) bytes.set([[1, 2, 10][round % 3]!, 0]);
      expect(typeof decodeSocketAddress(bytes).family).toBe("string");
    }
    expect(decodeSocketAddress(new Uint8Array(0))).toEqual({ family: "unix" });
    expect(decodeSocketAddress(Uint8Array.of(2, 0, 1))).toMatchObject({ family: "other" });
  });

  test("is refused with the part that is wrong", () => {
    const refused = (address: unknown): string => {
      try {
        encodeSocketAddress(address as SocketAddress);
        return "not refused";
      } catch (error) {
        expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
        return (error as Error).message;
      }
    };
    for (const address of ["localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.-4", "", 5, undefined])
      expect(refused({ family: "ipv4", address, port: 1 })).toMatch(/no IP address such as '127.0.0.1'/);
    for (const address of [
      "",
      ":",
      ":::",
      "1:2",
      "1:2:3:4:5:6:7:8:9",
      "1::2::3",
      "12345::",
      "g::",
      "::1.2.3",
      "1.2.3.4::",
      "1:2:3:4:5:6:7::8",
      "::1:",
    ])
      expect(refused(ipv6(address))).toMatch(/no IP address such as '::1'/);
    expect(refused(ipv6("fe80::1%eth0"))).toMatch(/scopeId/);
    for (const port of [-1, 65536, 1.5, "80", undefined]) expect(refused({ family: "ipv4", address: "1.2.3.4", port })).toMatch(/port is/);
    expect(refused({ family: "ipv6", address: "::", port: 1, scopeId: -1 })).toMatch(/scopeId is -1/);
    expect(refused({ family: "unix", path: "x".repeat(108) })).toMatch(/path is 108 bytes; a unix address holds 107/);
    expect(refused({ family: "unix", path: "a\0b" })).toMatch(/NUL/);
    expect(refused({ family: "unix", path: "" })).toMatch(/path is ''/);
    expect(refused({ family: "unix", path: "a", abstract: "b" })).toMatch(/exclude each other/);
    expect(refused({ family: "other", bytes: new Uint8Array(129) })).toMatch(/2 to 128 bytes/);
    expect(refused({ family: "ipv5" })).toMatch(/family 'ipv5'; its family must be 'ipv4'/);
    for (const nothing of [undefined, null, "127.0.0.1:80"]) expect(refused(nothing)).toMatch(/its family must be/);
  });
});
