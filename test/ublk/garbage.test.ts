// usual kernels: none
/**
 * Serving makes no garbage: a warmed-up synchronous target is served for many requests of one size without a single collection in the
 * serving thread.
 *
 * `BUN_JSC_logGC=1` writes to stderr, for each collection of any thread, `[GC<0xADDRESS>: START ...`: the address is that of the heap.
 * Every thread of Bun has a heap of its own. Ours is found by collections that the serving thread asks for between two marks; those of
 * the main thread, which does nothing but wait and may tidy up as it likes, have another address and are not counted.
 */
// file timeout: 900 s
// runs on: the sources
import { expect, setDefaultTimeout } from "bun:test";
import { haveUblk, requires } from "../support/requires.ts";
import { fio } from "./support/fio.ts";
import { Server } from "./support/server.ts";

setDefaultTimeout(600_000);
const REQUESTS = 1_000_000;
const test = requires(haveUblk(), "needs a kernel with ublk");
const WARM_UP = 30_000;
/** How many collections the serving thread asks for between the marks. */
const ASKED = 3;
const FIXED = { rw: "randrw", bs: "4k", iodepth: 16, thread: 1, norandommap: 1, randrepeat: 0 } as const;

/** The collections a log tells of, in order: the address of the heap, and all the log says. */
const collections = (log: string): { heap: string; text: string }[] =>
  [...log.matchAll(/\[GC<(0x[0-9a-f]+)>: START.*/g)].map(([text, heap]) => ({ heap: heap!, text }));

for (const kind of ["null", "memory"]) {
  test(`no collection in ${REQUESTS} requests of a served ${kind} disk`, async () => {
    await using server = await Server.start("garbage-server.ts", [kind], { BUN_JSC_logGC: "1" });
    const between = /MARK heap begin\n([\s\S]*?)MARK heap end\n/.exec(server.stderr);
    // The main thread may happen to collect in between, but not as often.
    const asked = Object.groupBy(collections(between?.[1] ?? ""), ({ heap }) => heap);
    const own = new Set(Object.keys(asked).filter((heap) => asked[heap]!.length >= ASKED));
    expect(own.size).toBe(1); // the log works
    const io = async (number_ios: number): Promise<number> => {
      const { jobs } = await fio(server.path, { ...FIXED, number_ios, size: "64m", io_size: "100g" });
      return jobs.reduce((sum, { read, write }) => sum + read.total_ios + write.total_ios, 0);
    };
    await io(WARM_UP);
    await Bun.sleep(500); // what was logged has arrived
    const mark = server.stderr.length;
    const done = await io(REQUESTS);
    await Bun.sleep(500);
    const collected = collections(server.stderr.slice(mark)).filter(({ heap }) => own.has(heap));
    expect({ done, collected }).toEqual({ done: REQUESTS, collected: [] });
    server.child.kill("SIGTERM");
    expect((await server.end()).status).toBe(143);
  });
}
