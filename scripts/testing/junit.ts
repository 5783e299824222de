import type { TestOutcome } from "./outcome.ts";

/** test/support/requires.ts ends the name of a test that cannot run here this way. */
const SKIP_REASON = / \[skip: (.*)\]$/s;

const TAG = /<(\/?)(testcase|failure|error|skipped)\b([^>]*?)(\/?)>/g;

function decodeEntities(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, "&");
}

function attribute(attributes: string, name: string): string {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes);
  return found === null ? "" : decodeEntities(found[1]!);
}

/** A skip without a reason is a failure: nobody could tell it from a forgotten test. */
function skipped(fullName: string, why: string): TestOutcome {
  const reason = SKIP_REASON.exec(fullName);
  if (reason !== null) {
    return { name: fullName.slice(0, reason.index), status: "skipped", message: reason[1]! };
  }
  if (why === "TODO") return { name: fullName, status: "skipped", message: "TODO" };
  return { name: fullName, status: "failed", message: "skipped without a reason: use requires(...)" };
}

interface OpenCase {
  name: string;
  failure?: string;
  skipped?: string;
}

function close(open: OpenCase): TestOutcome {
  if (open.failure !== undefined) return { name: open.name, status: "failed", message: open.failure };
  if (open.skipped !== undefined) return skipped(open.name, open.skipped);
  return { name: open.name, status: "passed" };
}

/** Reads the JUnit file that `bun test --reporter=junit` writes. */
export function parseJunit(xml: string): TestOutcome[] {
  const outcomes: TestOutcome[] = [];
  let open: OpenCase | undefined;
  for (const match of xml.matchAll(TAG)) {
    const [tag, closing, kind, attributes, empty] = match as unknown as [string, string, string, string, string];
    if (kind === "testcase" && !closing) {
      const group = attribute(attributes, "classname");
      open = { name: (group ? `${group} > ` : "") + attribute(attributes, "name") };
      if (!empty) continue;
    }
    if (open === undefined) continue;
    if (kind === "skipped" && !closing) open.skipped = attribute(attributes, "message");
    if ((kind === "failure" || kind === "error") && !closing) {
      const start = match.index + tag.length;
      const text = empty ? "" : xml.slice(start, xml.indexOf(`</${kind}>`, start));
      open.failure = decodeEntities(text).trim() || attribute(attributes, "message") || kind;
    }
    if (kind === "testcase") {
      outcomes.push(close(open));
      open = undefined;
    }
  }
  return outcomes;
}
