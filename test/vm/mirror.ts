import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { VmError } from "./failure.ts";

/** Where this machine gets its Debian packages, and what it trusts them by. */
export interface Mirror {
  readonly uri: string;
  readonly signedBy: string;
}

interface Source {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly signedBy: string | undefined;
}

const DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DEBIAN_SUITE = /^(bullseye|bookworm|trixie|forky|duke|sid|oldstable|stable|testing|unstable)(-updates|-backports)?$/;

/** Takes the Debian mirror from the machine's own apt sources: only the machine's owner knows what it may reach. */
export function findMirror(etcApt = "/etc/apt"): Mirror {
  const sources = readSources(etcApt);
  const source = sources.find((one) => one.components.includes("main") && one.suites.some((suite) => DEBIAN_SUITE.test(suite)));
  if (source === undefined) {
    throw new VmError(
      `No Debian archive (a Debian suite with the component main) stands in ${etcApt}/sources.list or sources.list.d.\n` +
        "The VM's kernels and its root come from there: add your Debian mirror to the apt sources.",
    );
  }
  return { uri: source.uri, signedBy: source.signedBy ?? DEBIAN_KEYRING };
}

function readSources(etcApt: string): Source[] {
  const folder = join(etcApt, "sources.list.d");
  const parts = existsSync(folder)
    ? readdirSync(folder)
        .sort()
        .map((name) => join(folder, name))
    : [];
  return [join(etcApt, "sources.list"), ...parts]
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      const text = readFileSync(file, "utf8");
      if (file.endsWith(".sources")) return parseDeb822(text);
      return file.endsWith(".list") ? parseOneLine(text) : [];
    });
}

/** `deb [signed-by=...] URI SUITE COMPONENT...` */
export function parseOneLine(text: string): Source[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match === null) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    return [
      {
        uri: trimSlash(uri),
        suites: [suite],
        components: words(components),
        signedBy: /signed-by=(\S+)/i.exec(options)?.[1],
      },
    ];
  });
}

/** Paragraphs of `Field: value`, with values that go on in indented lines. */
export function parseDeb822(text: string): Source[] {
  const withoutComments = text.replace(/^#.*\n?/gm, "");
  return withoutComments.split(/\n\s*\n/).flatMap((paragraph) => {
    const field = (name: string): string => new RegExp(`^${name}:((?:.*)(?:\n[ \t].*)*)`, "im").exec(paragraph)?.[1]?.trim() ?? "";
    if (!words(field("Types")).includes("deb") || field("Enabled").toLowerCase() === "no") return [];
    // A key written out in the paragraph itself is no file: the default keyring serves then.
    const signedBy = field("Signed-By");
    return words(field("URIs")).map((uri) => ({
      uri: trimSlash(uri),
      suites: words(field("Suites")),
      components: words(field("Components")),
      signedBy: signedBy.startsWith("/") && !signedBy.includes("\n") ? signedBy : undefined,
    }));
  });
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function trimSlash(uri: string): string {
  return uri.replace(/\/+$/, "");
}
