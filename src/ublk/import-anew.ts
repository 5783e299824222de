import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { importTarget } from "./inline.ts";
import type { TargetDefinition } from "./target.ts";

// Of Bun, and of this thread: ES modules are in it too, and what is taken out of it is loaded from its file again.
const { cache } = createRequire(import.meta.url);

/** The target that a module's file exports now. What lies in its folder and below is loaded anew with it; packages are not. */
export async function importAnew(module: string): Promise<TargetDefinition> {
  const folder = `${dirname(fileURLToPath(module))}${sep}`;
  for (const path of Object.keys(cache)) if (path.startsWith(folder) && !path.includes(`${sep}node_modules${sep}`)) delete cache[path];
  return await importTarget(module);
}
