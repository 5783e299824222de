/** How a plan, or a part of it, will be carried out; {@link Ring.explain} makes it. As text it is a list with a line for each. */
export class Explanation {
  /** What it is: `"read"`, `"chain of 3"`. */
  readonly what: string;
  /** How it will be carried out, and why so. */
  readonly how: string;
  /** The same of its parts. */
  readonly parts: readonly Explanation[];

  /** @internal */
  constructor(what: string, how: string, parts: readonly Explanation[] = []) {
    this.what = what;
    this.how = how;
    this.parts = parts;
    Object.freeze(this);
  }

  /** A line for each part, indented. */
  toString(indent = ""): string {
    const own = `${indent}${this.what}${this.how === "" ? "" : `: ${this.how}`}`;
    return [own, ...this.parts.map((part) => part.toString(`${indent}  `))].join("\n");
  }
}

/** What is known of the run that is explained. */
export interface ExplainContext {
  /** Why kernel links are not used, or undefined. */
  readonly unlinked: string | undefined;
  /** Whether the part may be interrupted other than by the ring's end. */
  readonly interruptible: boolean;
}
