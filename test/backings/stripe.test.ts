/** Where the bytes of a striped disk lie. */
import { expect, test } from "bun:test";
import { Layout } from "../../src/targets/stripe/layout.ts";

test("a layout counts for each file the bytes before an offset, and finds the way back", () => {
  for (const [files, chunk] of [
    [1, 4096],
    [2, 4096],
    [3, 65536],
    [4, 8192],
  ] as const) {
    const layout = new Layout(files, chunk);
    for (const start of [0, 2 ** 45]) {
      const counts = Array.from({ length: files }, (_, file) => layout.before(start * files, file));
      for (let offset = 0; offset < 3 * files * chunk; offset += 512) {
        const owner = Math.floor(offset / chunk) % files;
        for (let file = 0; file < files; file++) expect(layout.before(start * files + offset, file)).toBe(counts[file]!);
        expect(layout.offsetOf(counts[owner]!, owner)).toBe(start * files + offset);
        counts[owner]! += 512;
      }
    }
  }
});
