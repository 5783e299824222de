import { describe, expect, test } from "bun:test";
import { failures } from "./programs/failures.ts";

const MILLISECONDS = 700;

describe("errno", () => {
  test("is never another call's, under garbage collection and compilation", () => {
    const { checked, wrong } = failures(MILLISECONDS);
    expect(wrong).toEqual([]);
    expect(checked).toBeGreaterThanOrEqual(40);
  });

  test("is each thread's own, in several Workers at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 4 }, (_, seed) => {
        const worker = new Worker(new URL("./programs/failures-worker.ts", import.meta.url).href);
        return new Promise<ReturnType<typeof failures>>((resolve, reject) => {
          worker.onmessage = ({ data }) => {
            resolve(data);
            worker.terminate();
          };
          worker.onerror = (event) => reject(new Error(event.message));
          worker.postMessage({ milliseconds: MILLISECONDS, seed });
        });
      }),
    );
    for (const { checked, wrong } of answers) {
      expect(wrong).toEqual([]);
      expect(checked).toBeGreaterThanOrEqual(40);
    }
  });
});
