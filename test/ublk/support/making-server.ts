/** Comes to its end while its disk is made. */
import { serve } from "uring-ublk";
import target, { type MakingOptions } from "./making-target.ts";

const [how = "exit", where = "closures", after = "0", attaching = ""] = process.argv.slice(2);
const options: MakingOptions = { how, after, never: attaching === "never" };
const serving = { depth: 16, maxIo: 65536, options };
await (where === "workers" ? serve(new URL("./making-target.ts", import.meta.url), serving) : serve(target, serving));
await new Promise(() => {}); // its end comes
