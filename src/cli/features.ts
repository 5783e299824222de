import { FEATURES, featureNames, UblkControl } from "../ublk/index.ts";
import { jsonText, type Output, table } from "./output.ts";

/** `uring-ublk features`: every flag that is known here or there, and whether this driver has it. */
export async function features(output: Output, json: boolean): Promise<number> {
  await using control = await UblkControl.open({ timeoutMs: 5_000 });
  const mask = control.features;
  const names = featureNames(mask);
  const flags = FEATURES.map(({ name, bit, since, meaning }) => ({
    name,
    bit,
    since,
    meaning,
    supported: names.includes(name),
  }));
  const unknown = names.filter((name) => FEATURES.every((feature) => feature.name !== name));
  if (json) {
    output.data(jsonText({ mask, flags, unknown }));
    return 0;
  }
  const rows = flags.map(({ name, since, meaning, supported }) => [supported ? "yes" : "no", name, since, meaning]);
  output.data(table([["HERE", "FLAG", "SINCE", "MEANING"], ...rows]));
  for (const name of unknown) output.data(`yes   ${name}: newer than this version of uring-ublk\n`);
  return 0;
}
