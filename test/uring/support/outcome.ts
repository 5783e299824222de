/** The tree of an outcome in a line: `failed:EIO[fulfilled failed:EIO unstarted]`. */
export function brief(outcome: unknown): string {
  const { status, code, ...parts } = outcome as Record<string, unknown> & { status: string; code?: string };
  const own = status === "failed" ? `failed:${code}` : status;
  const inner = ["steps", "parts", "leader", "members", "release", "plan", "attempts"].flatMap((name) => {
    const part = parts[name];
    if (part === undefined) return [];
    if (Array.isArray(part)) return name === "members" ? [`(${part.map(brief).join(" ")})`] : [part.map(brief).join(" ")];
    return [brief(part)];
  });
  return inner.length === 0 ? own : `${own}[${inner.join(" ")}]`;
}
