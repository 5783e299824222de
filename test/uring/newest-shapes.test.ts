// usual kernels: this machine's, and the newest
/** What shape-behaviour.test.ts does, on rings of the shapes that came after Linux 6.18. */
import { describe } from "bun:test";
import { SHAPES } from "./shapes.ts";
import { operationsOf } from "./support/shape-operations.ts";
import { queuesOf } from "./support/shape-queues.ts";

for (const named of SHAPES.filter(({ newest }) => newest)) {
  describe(`operations on a ring, ${named.name}`, () => operationsOf(named));
  describe(`the queues of a ring, ${named.name}`, () => queuesOf(named));
}
