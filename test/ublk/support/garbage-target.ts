/** Two targets of the package, unchanged, whose serving thread collects three times between two marks: the log then tells its heap's address. */
import { defineTarget } from "uring-ublk";
import { sys } from "uring-ublk/ffi";
import memoryTarget from "../../../src/targets/memory.ts";
import nullTarget from "../../../src/targets/null.ts";

const say = (text: string): void => void sys.write(2, new TextEncoder().encode(`MARK ${text}\n`) as Uint8Array<ArrayBuffer>);

export default defineTarget({
  async open({ kind }: { kind: "null" | "memory" }) {
    const opened = await (kind === "null" ? nullTarget.open({ size: "64 MiB" }) : memoryTarget.open({ size: "64 MiB" }));
    return { ...opened, shared: { kind, inner: opened.shared } };
  },
  attach(queue, { kind, inner }) {
    say("heap begin");
    for (let i = 0; i < 3; i++) Bun.gc(true);
    say("heap end");
    return kind === "null" ? nullTarget.attach(queue, inner as never) : memoryTarget.attach(queue, inner as never);
  },
});
