import { defineConfig } from "tsup";

/**
 * Every output lies flat in dist/, so that `new URL("./ublk-worker.js", import.meta.url)` finds the Worker
 * from whichever chunk the bundler put that line into. Worker files are entries of their own.
 */
export default defineConfig({
  entry: {
    index: "src/index.ts",
    uring: "src/uring/index.ts",
    ublk: "src/ublk/index.ts",
    ffi: "src/ffi/index.ts",
    targets: "src/targets/index.ts",
    cli: "src/cli/main.ts",
    "ublk-worker": "src/ublk/worker.ts",
    "ublk-stopper": "src/ublk/stopper.ts",
    // Targets that a Worker imports by URL (src/targets/bundled.ts).
    "target-null": "src/targets/null.ts",
    "target-loop": "src/targets/loop.ts",
    "target-memory": "src/targets/memory.ts",
    "target-stripe": "src/targets/stripe.ts",
    "target-mirror": "src/targets/mirror.ts",
    "target-nbd": "src/targets/nbd.ts",
    "target-zoned": "src/targets/zoned.ts",
    "target-integrity": "src/targets/integrity.ts",
  },
  format: ["esm"],
  target: "esnext",
  platform: "node",
  external: [/^bun:/, "bun"],
  splitting: true,
  clean: true,
  dts: {
    entry: {
      index: "src/index.ts",
      uring: "src/uring/index.ts",
      ublk: "src/ublk/index.ts",
      ffi: "src/ffi/index.ts",
      targets: "src/targets/index.ts",
    },
  },
});
