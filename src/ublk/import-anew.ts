import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { importTarget } from "./inline.ts";
import type { TargetDefinition } from "./target.ts";

// Of Bun, and of this thread: ES modules are in it too, and what is taken out of it is loaded from its file again.
const { cache } = createRequire(import.meta.url);

/** The target that a module's file exports now. What it imports from its folder and below is loaded anew with it; packages are not. */
export async function importAnew(module: string): Promise<TargetDefinition> {
  const folder = `${dirname(fileURLToPath(module))}${sep}`;
  const below = Object.keys(cache).filter((path) => path.startsWith(folder) && !path.includes(`${sep}node_modules${sep}`));
  // What failed when it was loaded is kept too, and not listed.
  for (const path of [...below, ...readdirSync(folder).map((name) => folder + name)]) delete cache[path];
  return await importTarget(module);
}
