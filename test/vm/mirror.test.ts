import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findMirror } from "./mirror.ts";

function mirrorOf(files: Record<string, string>) {
  const etcApt = mkdtempSync(join(tmpdir(), "apt-"));
  try {
    mkdirSync(join(etcApt, "sources.list.d"));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(etcApt, name), text);
    return findMirror(etcApt);
  } finally {
    rmSync(etcApt, { recursive: true });
  }
}

test("finds the mirror in one-line sources, past other archives and comments", () => {
  const list = [
    "# deb http://old.example/debian bookworm main",
    "deb [signed-by=/k.gpg] http://vendor.example/apt vendor-bookworm main",
    "deb-src http://source.example/debian bookworm main",
    "deb [arch=amd64 signed-by=/debian.gpg] http://mirror.example/debian/ bookworm main contrib # the nearest",
  ];
  expect(mirrorOf({ "sources.list": list.join("\n") })).toEqual({
    uri: "http://mirror.example/debian",
    signedBy: "/debian.gpg",
  });
});

test("finds the mirror in deb822 sources, past security and disabled ones", () => {
  const text = `Types: deb
URIs: http://disabled.example/debian
Suites: trixie
Components: main
Enabled: no

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /debian.gpg
`;
  expect(mirrorOf({ "sources.list.d/debian.sources": text })).toEqual({
    uri: "http://mirror.example/debian",
    signedBy: "/debian.gpg",
  });
});

test("says what is missing where there is no Debian mirror", () => {
  expect(() => mirrorOf({ "sources.list": "deb http://mirror.example/ubuntu noble main\n" })).toThrow(/No Debian archive/);
});
