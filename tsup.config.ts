import { defineConfig } from "tsup";
import { ENTRIES } from "./scripts/building/entries.ts";

/**
 * Every output lies flat in dist/, so that `new URL("./ublk-worker.js", import.meta.url)` finds the Worker
 * from whichever chunk the bundler put that line into. Worker files are entries of their own.
 */
export default defineConfig({
  entry: ENTRIES,
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
