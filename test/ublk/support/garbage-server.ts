/** Serves garbage-target.ts in one Worker until it is told to end. */
import { serve } from "uring-ublk";

const disk = await serve(new URL("./garbage-target.ts", import.meta.url), { depth: 32, maxIo: 65536, options: { kind: process.argv[2] } });
console.log(`disk ${disk.path}`);
await disk.finished;
