/** The package's programs and modules, by the name that each has in dist/. */
export const ENTRIES = {
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
} as const;

/** What an executable of the command holds: the command, and what its Workers load by URL. */
export const EXECUTABLE = Object.entries(ENTRIES).filter(
  ([name]) => name === "cli" || name === "ublk-worker" || name.startsWith("target-"),
);
