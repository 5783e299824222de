// file timeout: 600 s
/** Rings of every shape do the same, with files and sockets and with their queues. Those newer than 6.18 are in newest-shapes.test.ts. */
import { describe } from "bun:test";
import { SHAPES } from "./shapes.ts";
import { operationsOf } from "./support/shape-operations.ts";
import { queuesOf } from "./support/shape-queues.ts";

for (const named of SHAPES.filter(({ newest }) => !newest)) {
  describe(`operations on a ring, ${named.name}`, () => operationsOf(named));
  describe(`the queues of a ring, ${named.name}`, () => queuesOf(named));
}
