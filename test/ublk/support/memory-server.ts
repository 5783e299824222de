/** Serves a disk whose contents take this process's memory: `memory`, or `loop PATH` through the page cache. */
import { serve } from "uring-ublk";
import { loop, memory } from "uring-ublk/targets";

const [what = "", path = ""] = process.argv.slice(2);
const disk = await serve(what === "loop" ? loop({ path, create: "256 MiB", direct: false }) : memory({ size: "1 GiB" }), { depth: 32 });
console.log(`disk ${disk.path}`);
await disk.finished;
